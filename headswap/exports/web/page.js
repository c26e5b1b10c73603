// The page around the network: camera, files, the answer, the proof.
import { Net, NotAnImage, drawn, partsOf } from "./client.js";
import { heatOf, lit } from "./heat.js";

const byId = (id) => document.getElementById(id);
const percent = new Intl.NumberFormat(undefined, { style: "percent" });
const FRAME_PX = { width: { ideal: 640 }, height: { ideal: 480 } };
const OFTEN_MS = 1000; // a screen reader is told of the camera's answer this often at most

let net = null;
let shown = null; // the last answer
let stream = null;
let frame = null; // the last one that was asked about
let facing = "environment"; // the camera at the back
let toldAt = 0;

async function begin() {
  try {
    net = await Net.start(takenParts());
  } catch (error) {
    byId("state").textContent = `This browser cannot run it: ${error.message}. Try a newer browser.`;
    document.documentElement.dataset.failed = error.message;
    return;
  }
  for (const control of document.querySelectorAll("button[disabled], input[disabled]")) control.disabled = false;
  byId("state").textContent = "Ready. Everything happens in this browser: no picture leaves it.";
  document.documentElement.dataset.ready = "";
  await prove();
}

// The network's text is large: it is let go once the worker has it.
function takenParts() {
  const parts = partsOf(document);
  for (const id of ["program", "wasm", "model"]) byId(id).remove();
  return parts;
}

// Does this very browser give the answers that were measured? The drawings that travel along tell.
async function prove() {
  const { drawings, bound } = net.facts;
  let same = 0;
  let largest = 0;
  for (const drawing of drawings) {
    const most = await difference(drawing);
    largest = Math.max(largest, most);
    same += most <= bound;
  }
  document.documentElement.dataset.proof = JSON.stringify({ same, of: drawings.length, largest });
  const isProved = same === drawings.length;
  const size = largest < 1e-6 ? "less than 0.000001" : largest.toFixed(6);
  byId("proof").textContent = isProved
    ? `This browser gives the same answers as the program that was measured: ${same} of ${drawings.length} ` +
      `drawings, largest difference ${size}.`
    : `Careful: this browser gives other answers than the program that was measured. Of ${drawings.length} ` +
      `drawings ${same} are the same; the largest difference is ${size}. Use predict.py instead.`;
  byId("proof").className = isProved ? "good" : "warn";
  byId("doubt").hidden = isProved;
}

// The largest difference of any probability; 1 where the drawing cannot even be read.
async function difference(drawing) {
  const bytes = Uint8Array.from(atob(drawing.bytes), (letter) => letter.charCodeAt(0));
  try {
    const { probabilities } = await net.predict(new Blob([bytes]));
    return Math.max(...net.labels.map((name, i) => Math.abs(probabilities[name] - drawing.probabilities[i])));
  } catch {
    return 1;
  }
}

function show(answer, name) {
  shown = { answer, name };
  const result = byId("result");
  result.dataset.label = answer.label;
  result.dataset.probabilities = JSON.stringify(answer.probabilities);
  result.dataset.unlike = answer.unlike === null ? "" : answer.unlike;
  byId("label").textContent = answer.label;
  byId("sure").textContent = answer.labels ? "" : `${percent.format(answer.sure)} sure`;
  byId("unlike").hidden = !answer.isUnlike;
  byId("approximate").hidden = answer.exact;
  byId("where-row").hidden = !answer.places;
  for (const [i, row] of rows().entries()) {
    const share = answer.probabilities[net.labels[i]];
    row.classList.toggle("top", answer.labels ? answer.labels.includes(net.labels[i]) : i === answer.best);
    row.querySelector("i").style.transform = `scaleX(${share.toFixed(4)})`;
    row.lastElementChild.textContent = percent.format(share);
  }
  byId("seen").setAttribute("aria-label", `What the network sees of ${name}`);
  paint();
  result.hidden = false;
  byId("view").hidden = false;
  tell(answer, name);
}

// A screen reader hears a file's answer at once, the camera's now and then.
function tell(answer, name) {
  const now = performance.now();
  if (stream && now - toldAt < OFTEN_MS) return;
  toldAt = now;
  const warning = answer.isUnlike ? " It is unlike anything it was shown." : "";
  const sure = answer.labels ? "" : `, ${percent.format(answer.sure)} sure`;
  const text = `${name}: ${answer.label}${sure}.${warning}`;
  if (byId("told").textContent !== text) byId("told").textContent = text;
}

function rows() {
  const list = byId("bars");
  if (!list.children.length) {
    list.append(
      ...net.labels.map((name, i) => {
        const row = document.createElement("li");
        const [label, bar, share] = ["name", "bar", "share"].map((kind) => {
          const part = document.createElement("span");
          part.className = kind;
          return part;
        });
        label.textContent = name;
        bar.append(document.createElement("i"));
        if (net.facts.thresholds) bar.append(markAt(net.facts.thresholds[i]));
        row.append(label, bar, share);
        return row;
      }),
    );
  }
  return [...list.children];
}

// Where a label begins to be said.
function markAt(threshold) {
  const mark = document.createElement("b");
  mark.style.left = `${(100 * threshold).toFixed(1)}%`;
  mark.title = `It is said from ${percent.format(threshold)} on.`;
  return mark;
}

function paint() {
  const { answer } = shown;
  const spec = net.facts.preprocessing;
  const wanted = byId("where").checked && answer.places;
  const heat = wanted ? heatOf(answer.places, answer.best, spec.width, spec.height) : null;
  const canvas = byId("seen");
  canvas.width = spec.width;
  canvas.height = spec.height;
  canvas.getContext("2d").putImageData(lit(answer.pixels, spec, heat), 0, 0);
}

async function openFile(file) {
  if (!file || !net) return;
  stopCamera();
  const name = file.name || "the picture";
  note("");
  try {
    show(await net.predict(file), name);
    note(name);
  } catch (error) {
    byId("result").hidden = true;
    byId("view").hidden = true;
    const isDamaged = error instanceof NotAnImage;
    note(isDamaged ? `${name} is ${error.message}. Save it again as JPEG or PNG.` : `${name} cannot be read: ${error.message}`);
  }
}

function note(text) {
  byId("note").textContent = text;
}

// The camera -------------------------------------------------------------------------

async function startCamera() {
  if (!navigator.mediaDevices?.getUserMedia) {
    byId("photo").click(); // a phone that opened a file or an unencrypted link: its own camera app instead
    return;
  }
  try {
    const video = { facingMode: { ideal: facing }, ...FRAME_PX };
    stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch (error) {
    const isDenied = error.name === "NotAllowedError";
    note(
      isDenied
        ? "The camera is not allowed here. Allow it in the browser's address bar, or choose a picture."
        : "There is no camera here that can be used. Choose a picture instead.",
    );
    return;
  }
  const video = byId("video");
  video.srcObject = stream;
  await video.play();
  note("");
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
  byId("turn").hidden = cameras.length < 2;
  byId("keep").hidden = false;
  byId("camera").textContent = "Stop the camera";
  watch(stream);
}

// Frame by frame, as fast as the network answers.
async function watch(mine) {
  const video = byId("video");
  while (stream === mine) {
    if (document.hidden || !video.videoWidth) {
      await new Promise((later) => setTimeout(later, 200));
      continue;
    }
    frame = drawn(video);
    const answer = await net.predict(frame);
    if (stream !== mine) return;
    show(answer, "the camera");
    await new Promise((later) => video.requestVideoFrameCallback?.(later) ?? requestAnimationFrame(later));
  }
}

function stopCamera() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  byId("camera").textContent = "Use the camera";
  byId("keep").hidden = true;
  byId("turn").hidden = true;
}

function switchCamera() {
  facing = facing === "environment" ? "user" : "environment";
  stopCamera();
  startCamera();
}

// The very frame that was asked about, without loss: predict.py can be asked about it too.
async function keepFrame() {
  const canvas = new OffscreenCanvas(frame.width, frame.height);
  canvas.getContext("2d").putImageData(frame, 0, 0);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await canvas.convertToBlob({ type: "image/png" }));
  link.download = "frame.png";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

byId("camera").onclick = () => (stream ? stopCamera() : startCamera());
byId("turn").onclick = switchCamera;
byId("keep").onclick = keepFrame;
byId("choose").onclick = () => byId("file").click();
byId("where").onchange = () => shown && paint();
for (const id of ["file", "photo"]) {
  byId(id).onchange = ({ target }) => {
    openFile(target.files[0]);
    target.value = ""; // the same file may be chosen again
  };
}
document.addEventListener("paste", ({ clipboardData }) => {
  openFile([...clipboardData.files].find((file) => file.type.startsWith("image/")));
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
addEventListener("dragleave", () => document.body.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  openFile(event.dataTransfer.files[0]);
});
// Where files lie next to it (a web address), the page goes on working without a connection.
if (document.documentElement.dataset.offline !== undefined && window.isSecureContext) {
  navigator.serviceWorker?.register("sw.js").catch(() => {});
}
begin();
