// The burst camera: while the button or the space bar is held, about ten frames a second are kept; then they
// go the way of loose pictures. Everything stays in this page until "Add" is pressed.
const FRAME_MS = 100, SHORTER_SIDE = 320, MOST = 200;
const dialog = element.querySelector('dialog'), video = dialog.querySelector('video'), hold = dialog.querySelector('.hold');
const says = dialog.querySelector('[role=status]'), add = dialog.querySelector('.add'), strip = dialog.querySelector('.strip');
const name = dialog.querySelector('input'), canvas = document.createElement('canvas');
let frames = [], stream = null, recording = false;

function count() {
  add.disabled = !frames.length;
  add.textContent = frames.length ? `Add ${frames.length} picture${frames.length === 1 ? '' : 's'}` : 'Add pictures';
}

// A frame as a small picture; a press takes it out. The keyboard goes on at the one after it, or before.
function shown(frame) {
  const small = document.createElement('canvas'), button = document.createElement('button');
  small.width = small.height = 96;
  const side = Math.min(canvas.width, canvas.height);
  small.getContext('2d').drawImage(canvas, (canvas.width - side) / 2, (canvas.height - side) / 2, side, side, 0, 0, 96, 96);
  Object.assign(button, { type: 'button', className: 'shot', title: 'Take this picture out' });
  button.setAttribute('aria-label', `Take picture ${frames.indexOf(frame) + 1} out`);
  button.append(small);
  button.addEventListener('click', () => {
    const next = button.nextElementSibling || button.previousElementSibling || hold;
    frames = frames.filter((one) => one !== frame);
    button.remove();
    [...strip.children].forEach((one, n) => one.setAttribute('aria-label', `Take picture ${n + 1} out`));
    says.textContent = `One picture taken out, ${frames.length} left.`;
    count();
    next.focus();
  });
  return button;
}

function why(error) {
  if (error?.name === 'NotAllowedError') return 'The browser does not let this page use the camera. Allow it next to the address, then open the camera again.';
  if (error?.name === 'NotFoundError') return 'There is no camera on this machine. Choose pictures instead.';
  return 'The camera did not start. Perhaps another program is using it.';
}

async function film(className = '') {
  frames = [];
  strip.replaceChildren();
  count();
  name.value = className;
  dialog.querySelector('datalist').replaceChildren(...globalThis.headswap.classes().map((one) => Object.assign(document.createElement('option'), { value: one })));
  hold.disabled = true;
  dialog.showModal();
  if (!globalThis.isSecureContext || !navigator.mediaDevices?.getUserMedia) {
    says.textContent = 'A browser gives the camera only to pages opened with https, or on this machine itself (localhost). Choose pictures instead.';
    return;
  }
  says.textContent = 'Waiting for the camera.';
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: { ideal: 'environment' }, width: { ideal: 640 }, height: { ideal: 480 } } });
    video.srcObject = stream;
    await video.play();
  } catch (error) { says.textContent = why(error); return; }
  if (!dialog.open) return stop();
  says.textContent = 'Hold the button, or the space bar, and move the thing about.';
  hold.disabled = false;
  (className ? hold : name).focus();
}

function stop() {
  recording = false;
  stream?.getTracks().forEach((track) => track.stop());
  stream = video.srcObject = null;
}

async function record() {
  if (recording || hold.disabled) return;
  recording = true;
  hold.classList.add('on');
  while (recording && stream && frames.length < MOST) {
    const due = performance.now() + FRAME_MS, scale = SHORTER_SIDE / Math.min(video.videoWidth, video.videoHeight);
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext('2d').drawImage(video, 0, 0, canvas.width, canvas.height);
    const frame = await new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.9));
    frames.push(frame);
    strip.append(shown(frame));
    strip.scrollLeft = strip.scrollWidth;
    count();
    await new Promise((done) => setTimeout(done, Math.max(0, due - performance.now())));
  }
  if (frames.length >= MOST) says.textContent = `${MOST} pictures are enough at once. Add them, then go on.`;
  hold.classList.remove('on');
}

const release = () => { recording = false; };
hold.addEventListener('pointerdown', (pressed) => { hold.setPointerCapture(pressed.pointerId); record(); });
for (const kind of ['pointerup', 'pointercancel', 'lostpointercapture', 'blur']) hold.addEventListener(kind, release);
hold.addEventListener('contextmenu', (pressed) => pressed.preventDefault());
dialog.addEventListener('keydown', (pressed) => {
  if (pressed.key !== ' ' || pressed.target.matches('input, .shot, .btn:not(.hold)')) return;
  pressed.preventDefault();
  record();
});
dialog.addEventListener('keyup', (pressed) => {
  if (pressed.key !== ' ' || pressed.target.matches('input, .shot, .btn:not(.hold)')) return;
  pressed.preventDefault();
  release();
});
dialog.querySelector('.away').addEventListener('click', () => { frames = []; strip.replaceChildren(); count(); });
add.addEventListener('click', () => {
  const folder = globalThis.headswap.folderOf(name.value);
  if (!folder) { says.textContent = 'Type the name of the class first.'; name.focus(); return; }
  const stamp = new Date().toISOString().replace(/[-:]/g, '').slice(0, 15);
  const entries = frames.map((blob, n) => [`${folder}/camera ${stamp} ${String(n + 1).padStart(3, '0')}.jpg`, new File([blob], 'frame.jpg', { type: 'image/jpeg' })]);
  dialog.close();
  globalThis.headswap.take(entries, { intoClasses: true });
});
dialog.querySelector('[data-close]').addEventListener('click', () => dialog.close());
dialog.addEventListener('close', stop);
element.querySelector('.open-camera').addEventListener('click', () => film());
globalThis.headswap = { ...globalThis.headswap, film };
