// Asks the network of a page: `const net = await Net.start(partsOf(document)); await net.predict(blob)`.

export class NotAnImage extends Error {}

// What a page made by headswap carries: facts, the worker's program, the runtime and the network.
export function partsOf(page) {
  const text = (id) => page.getElementById(id)?.textContent.trim() ?? "";
  if (!text("facts")) throw new Error("this is no page that headswap made");
  return { facts: JSON.parse(text("facts")), program: text("program"), wasm: text("wasm"), model: text("model") };
}

export class Net {
  #worker;
  #waiting = new Map();
  #last = 0;

  constructor(worker, facts) {
    this.#worker = worker;
    this.facts = facts;
    worker.onmessage = ({ data }) => this.#hear(data);
  }

  static async start({ facts, program, wasm, model }) {
    const address = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
    const worker = new Worker(address); // a classic one: a module worker does not start from a file
    await new Promise((awake, failed) => {
      worker.onmessage = awake;
      worker.onerror = (event) => failed(new Error(event.message || "the program could not be started"));
    });
    URL.revokeObjectURL(address);
    const net = new Net(worker, facts);
    await net.#ask({ action: "start", facts, wasm, model });
    return net;
  }

  get labels() {
    return this.facts.labels;
  }

  // A Blob or File is read as headswap reads it; what is drawn already (canvas, video, ImageData) as it is.
  async predict(source) {
    if (source instanceof Blob) {
      const bytes = new Uint8Array(await source.arrayBuffer());
      return this.#named(await this.#ask({ action: "file", bytes }, [bytes.buffer]));
    }
    const { data, width, height } = source instanceof ImageData ? source : drawn(source);
    return this.#named(await this.#ask({ action: "rgba", data, width, height }));
  }

  close() {
    this.#worker.terminate();
    for (const { failed } of this.#waiting.values()) failed(new Error("it was closed"));
    this.#waiting.clear();
  }

  #ask(question, handedOver = []) {
    return new Promise((told, failed) => {
      this.#last += 1;
      this.#waiting.set(this.#last, { told, failed });
      this.#worker.postMessage({ ...question, id: this.#last }, handedOver);
    });
  }

  #hear({ id, answer, problem, isDamaged }) {
    const { told, failed } = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (problem === undefined) told(answer);
    else failed(isDamaged ? new NotAnImage(problem) : new Error(problem));
  }

  #named(answer) {
    const best = answer.probabilities.indexOf(Math.max(...answer.probabilities));
    const named = Object.fromEntries(this.labels.map((name, i) => [name, answer.probabilities[i]]));
    const isUnlike = answer.unlike !== null && answer.unlike > 1;
    const several = this.facts.thresholds ? this.#several(answer.probabilities) : {};
    const one = { label: this.labels[best], labels: null, sure: answer.probabilities[best] };
    return { ...answer, best, ...one, ...several, probabilities: named, isUnlike };
  }

  // Where an image may have several labels: those that reach their thresholds, surest first.
  #several(shares) {
    const order = [...shares.keys()].sort((a, b) => shares[b] - shares[a]);
    const labels = order.filter((i) => shares[i] >= this.facts.thresholds[i]).map((i) => this.labels[i]);
    const sure = Math.min(...shares.map((share) => Math.max(share, 1 - share)));
    return { labels, label: labels.join(" + ") || "(no label)", sure };
  }
}

// The pixels of an image, video or canvas.
export function drawn(source) {
  const width = source.videoWidth || source.naturalWidth || source.width;
  const height = source.videoHeight || source.naturalHeight || source.height;
  if (!width || !height) throw new NotAnImage("empty: it has no pixels yet");
  const pen = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  pen.drawImage(source, 0, 0);
  return pen.getImageData(0, 0, width, height);
}
