// The network in a worker: messages in, answers out.
// Flow:  bytes or RGBA --readImage, prepare, normalize--> numbers --the graph--> probabilities, unlike, places
import { Damaged, imageFromRgba, normalize, prepare, readImage } from "./images.js";

let session = null;
let facts = null;

// Base64 of gzip to bytes.
async function unpacked(text) {
  const packed = Uint8Array.fromBase64
    ? Uint8Array.fromBase64(text)
    : Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The four bytes of each number lie apart in the file, which makes it a twelfth smaller and loses nothing.
function fromPlanes(planes, length) {
  const count = planes.length / 4;
  const bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < 4; plane++) {
    for (let i = 0; i < count; i++) bytes[4 * i + plane] = planes[plane * count + i];
  }
  return bytes.subarray(0, length);
}

async function start(given) {
  facts = given.facts;
  const [wasm, planes] = await Promise.all([unpacked(given.wasm), unpacked(given.model)]);
  ort.env.wasm.wasmBinary = wasm.buffer;
  ort.env.wasm.numThreads = 1; // more of them need headers that a file and most hosts do not send
  ort.env.wasm.proxy = false;
  ort.env.logLevel = "error";
  session = await ort.InferenceSession.create(fromPlanes(planes, facts.modelBytes), {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
  });
  const { channels, height, width } = facts.preprocessing;
  await run(new Float32Array(channels * height * width)); // the first run is slow
  return {};
}

function run(numbers) {
  const { channels, height, width } = facts.preprocessing;
  return session.run({ pictures: new ort.Tensor("float32", numbers, [1, channels, height, width]) });
}

// Probabilities, how unlike, and the prepared pixels that the network saw.
async function answerFor(image) {
  const pixels = prepare(image, facts.preprocessing);
  const said = await run(normalize(pixels, facts.preprocessing));
  const answer = { probabilities: Array.from(said.probabilities.data), unlike: null, places: null, pixels };
  if (said.unlike) answer.unlike = said.unlike.data[0];
  if (said.places) {
    const [, , rows, columns] = said.places.dims;
    answer.places = { rows, columns, data: said.places.data };
  }
  return answer;
}

const ACTIONS = {
  start,
  async file({ bytes }) {
    const image = await readImage(bytes, facts.preprocessing);
    return { ...(await answerFor(image)), exact: image.exact, kind: image.kind };
  },
  async rgba({ data, width, height }) {
    return { ...(await answerFor(imageFromRgba({ data, width, height }))), exact: true, kind: "RGBA" };
  },
};

self.onmessage = async ({ data: question }) => {
  try {
    self.postMessage({ id: question.id, answer: await ACTIONS[question.action](question) });
  } catch (error) {
    const isDamaged = error instanceof Damaged;
    self.postMessage({ id: question.id, problem: String(error?.message ?? error), isDamaged });
  }
};
self.postMessage({ awake: true });
