/* Live: the camera's picture goes to `click` as fast as answers come back, a small JPEG at a time. */
const button = element.querySelector('[data-camera]');
const video = element.querySelector('video');
const said = element.querySelector('[role=status]');
const canvas = document.createElement('canvas');
let stream = null;
let waiting = null;

const stop = () => {
  clearTimeout(waiting);
  if (stream) stream.getTracks().forEach((track) => track.stop());
  stream = null;
  video.hidden = true;
  button.setAttribute('aria-pressed', 'false');
  button.textContent = 'Use the camera, live';
};

const sendFrame = () => {
  if (!stream) return;
  if (element.offsetParent === null) { stop(); return; }
  if (!document.hidden && video.videoWidth) {
    const scale = Math.min(1, 320 / Math.min(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext('2d').drawImage(video, 0, 0, canvas.width, canvas.height);
    trigger('click', {frame: canvas.toDataURL('image/jpeg', 0.85)});
  }
  waiting = setTimeout(sendFrame, 400);
};

button.addEventListener('click', async () => {
  if (stream) { stop(); said.textContent = ''; return; }
  if (!navigator.mediaDevices) {
    said.textContent = 'A camera works only over https or on this very machine. Upload a picture instead.';
    return;
  }
  try {
    stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'environment'}});
  } catch (refused) {
    said.textContent = 'The camera did not open. Allow it in the browser, or upload a picture instead.';
    return;
  }
  said.textContent = 'Hold something before the camera.';
  video.srcObject = stream;
  video.hidden = false;
  await video.play();
  button.setAttribute('aria-pressed', 'true');
  button.textContent = 'Stop the camera';
  sendFrame();
});

/* Another picture, given or chosen, ends the camera: its next frame would take the place of the answer. */
for (const [kind, other] of [['change', '#hs-try'], ['drop', '#hs-try'], ['click', '#hs-examples [data-example]']]) {
  document.addEventListener(kind, (happened) => { if (stream && happened.target.closest?.(other)) button.click(); }, true);
}

/* Ctrl-V anywhere on this step: the picture on the clipboard is tried. */
const tryFile = (file) => {
  const input = document.querySelector('#hs-try input[type=file]');
  if (!input) return;
  const transfer = new DataTransfer();
  transfer.items.add(file);
  input.files = transfer.files;
  input.dispatchEvent(new Event('change', {bubbles: true}));
};
globalThis.headswap = {...globalThis.headswap, tryFile, isLive: () => stream !== null};

/* gradio goes by the type that the system gives a file, and many know none for HEIC or PPM: such a file is
   handed on as the picture that its name says it is. What this browser cannot show, the answer shows. */
const inBox = (happened) => happened.target.closest?.('#hs-try');
const unknown = (files) => [...files].find((one) => !one.type.startsWith('image/') && globalThis.headswap.isImage(one.name));
const named = (file) => new File([file], file.name, {type: `image/${file.name.split('.').pop().toLowerCase()}`});
document.addEventListener('click', (pressed) => {
  const input = inBox(pressed)?.querySelector('input[type=file]');
  if (input) input.accept = globalThis.headswap.accept;
}, true);
for (const kind of ['change', 'drop']) {
  document.addEventListener(kind, (happened) => {
    const file = inBox(happened) && unknown((happened.dataTransfer ?? happened.target).files ?? []);
    if (!file) return;
    happened.preventDefault();
    happened.stopPropagation();
    tryFile(named(file));
  }, true);
}
for (const [kind, seen] of [['error', 'hidden'], ['load', '']]) {
  document.addEventListener(kind, (happened) => {
    if (inBox(happened) && happened.target.matches('img')) happened.target.style.visibility = seen;
  }, true);
}
document.addEventListener('paste', (pasted) => {
  if (element.offsetParent === null) return;
  const file = [...(pasted.clipboardData?.files ?? [])].find((one) => one.type.startsWith('image/') || globalThis.headswap.isImage(one.name));
  if (file) tryFile(file.type.startsWith('image/') ? file : named(file));
});
