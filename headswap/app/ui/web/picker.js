// The picker: folders, loose pictures and camera frames become one zip in the browser, handed to the zip
// upload. Folder names are class names, and gradio's own folder upload drops them. Large pictures are made
// smaller on the way, as the server would keep them; what a canvas would change or cannot read travels as it is.
// The rows of classes and the camera call `headswap.take`, too. `downloadZip` (client-zip) stands before this text.
const SHORTER_SIDE = 640, SMALL_BYTES = 200_000, LARGEST_PICTURE = 209_715_200, LARGEST_OTHER = 20_000_000, AT_ONCE = 4;
const SHRINKS = /\.(jpe?g|png|webp|bmp|avif)$/i, HIDDEN = /(^|\/)(\.|__MACOSX|Thumbs\.db|desktop\.ini)/;
const input = element.querySelector('input[type=file]'), says = element.querySelector('.packing');
const zone = element.closest('.drop') || element;
const asks = element.querySelector('dialog.name'), answer = asks.querySelector('input'), places = element.querySelector('dialog.place');
const endings = element.querySelector('.choosers').dataset.endings.split(',');
const isPicture = (name) => endings.some((ending) => name.toLowerCase().endsWith(ending));

// A canvas has 8 bits, and reads a 12-bit camera in a 16-bit PNG as black; the server does not.
async function isDeep(file) {
  if (!/\.png$/i.test(file.name)) return false;
  return new Uint8Array(await file.slice(24, 25).arrayBuffer())[0] === 16;
}

async function smaller(file) {
  if (!SHRINKS.test(file.name) || file.size <= SMALL_BYTES || await isDeep(file)) return file;
  let bitmap;
  try { bitmap = await createImageBitmap(file, { imageOrientation: 'from-image', colorSpaceConversion: 'none' }); } catch { return file; }
  const scale = Math.min(1, SHORTER_SIDE / Math.min(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * scale)), height = Math.max(1, Math.round(bitmap.height * scale));
  const canvas = new OffscreenCanvas(width, height), pen = canvas.getContext('2d');
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, width, height);
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.95 });
  return blob.size < file.size ? blob : file;
}

// [path, bytes] in the order of the files, a few being prepared ahead; what cannot be read or is too large is left.
async function prepare([path, file]) {
  if (file.size > (isPicture(path) ? LARGEST_PICTURE : LARGEST_OTHER)) return null;
  try { return [path, new Uint8Array(await (await smaller(file)).arrayBuffer())]; } catch { return null; }
}

async function* prepared(files) {
  const ahead = [], all = files.values();
  for (let n = 0; n < files.length; n++) {
    while (ahead.length < AT_ONCE) {
      const { value, done } = all.next();
      if (done) break;
      ahead.push(prepare(value));
    }
    yield await ahead.shift();
  }
}

let ours = false;
function handOver(file, how) {
  const told = document.querySelector('#hs-put textarea, #hs-put input'), target = zone.querySelector('input[type=file][data-testid$="upload-button"]');
  told.value = how;
  told.dispatchEvent(new Event('input', { bubbles: true }));
  const carrier = new DataTransfer();
  carrier.items.add(file);
  target.files = carrier.files;
  ours = true;
  target.dispatchEvent(new Event('change', { bubbles: true }));
  ours = false;
}

// A zip that was chosen with gradio's own button: the same question first.
zone.addEventListener('change', (chosen) => {
  if (ours || !chosen.target.matches('input[type=file][data-testid$="upload-button"]') || !chosen.target.files.length) return;
  chosen.stopPropagation();
  const files = [...chosen.target.files];
  chosen.target.value = '';
  take(files.map((file) => [file.name, file]));
}, true);

// Two pictures of a phone may both be called image.jpg.
function apart(found) {
  const taken = new Set();
  return found.map(([path, file]) => {
    let mine = path;
    for (let n = 2; taken.has(mine); n++) mine = path.replace(/(\.[^./]*)?$/, (ending) => ` (${n})${ending}`);
    taken.add(mine);
    return [mine, file];
  });
}

// `beside`: they are meant for classes that are there, so nobody has to be asked.
async function take(found, { beside = false } = {}) {
  const files = apart(found.filter(([path]) => !HIDDEN.test(path)));
  const isZip = files.length === 1 && /\.zip$/i.test(files[0][0]), loose = files.filter(([path]) => !path.includes('/'));
  let how = 'add';
  if (!beside && files.length && (isZip || loose.length < files.length)) how = await placeFor();
  if (!how) return;
  if (isZip) return handOver(files[0][1], how);
  if (loose.length) {
    const name = await nameFor(loose.length);
    if (!name) return;
    for (const entry of loose) entry[0] = `${name}/${entry[0]}`;
  }
  const tops = new Set();
  let done = 0, left = 0, depth = 0;
  async function* entries() {
    for await (const one of prepared(files)) {
      says.textContent = `Preparing file ${++done} of ${files.length}`;
      if (!one) { left++; continue; }
      tops.add(one[0].split('/')[0]);
      depth ||= one[0].split('/').length;
      yield { name: one[0], input: one[1] };
    }
  }
  const zip = await downloadZip(entries()).blob();
  if (!tops.size) { says.textContent = left ? 'None of these files can be sent: they cannot be read, or are too large to be pictures.' : 'There is nothing in that folder.'; return; }
  const name = tops.size === 1 && depth > 2 ? [...tops][0] : 'My pictures';
  says.textContent = `${done - left} ${done - left === 1 ? 'file' : 'files'}, ${(zip.size / 1e6).toFixed(1)} MB to send` + (left ? `; ${left} left here: not to be read, or too large to be pictures` : '');
  handOver(new File([zip], `${name}.zip`, { type: 'application/zip' }), how);
}

// Beside the pictures that are there, in their place, or not at all.
function placeFor() {
  const there = document.querySelector('#hs-classes h2');
  if (!classes().length || !there) return 'add';
  places.querySelector('.there').textContent = there.textContent;
  places.returnValue = '';
  places.showModal();
  return new Promise((done) => places.addEventListener('close', () => done(places.returnValue), { once: true }));
}

// A class name that can be a folder of a zip.
const folderOf = (name) => name.replace(/[\\/]+/g, ' ').trim().replace(/^\.+/, '');

function nameFor(count) {
  asks.querySelector('h2').textContent = count === 1 ? 'What does this picture show?' : `What do these ${count} pictures show?`;
  asks.querySelector('datalist').replaceChildren(...globalThis.headswap.classes().map((name) => Object.assign(document.createElement('option'), { value: name })));
  answer.value = '';
  asks.returnValue = '';
  asks.showModal();
  return new Promise((done) => asks.addEventListener('close', () => done(asks.returnValue === 'add' ? folderOf(answer.value) : ''), { once: true }));
}

const classes = () => [...document.querySelectorAll('#hs-classes [data-class]')].map((row) => row.dataset.class);
async function takeEntries(entries) {
  const found = [];
  for (const entry of entries) await walk(entry, found);
  await take(found);
}
const accept = ['image/*', ...endings].join(',');
globalThis.headswap = { ...globalThis.headswap, take, takeEntries, folderOf, classes, accept, isPicture };

async function walk(entry, found) {
  if (entry instanceof File) return void found.push([entry.name, entry]);
  if (entry.isFile) return void found.push([entry.fullPath.slice(1), await new Promise((yes, no) => entry.file(yes, no))]);
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((yes, no) => reader.readEntries(yes, no));
    if (!some.length) return;
    for (const inner of some) await walk(inner, found);
  }
}

const loosely = Object.assign(document.createElement('input'), { type: 'file', multiple: true, accept });
element.querySelector('.loose').addEventListener('click', () => loosely.click());
loosely.addEventListener('change', async () => {
  await take([...loosely.files].map((file) => [file.name, file]));
  loosely.value = '';
});
input.addEventListener('change', async () => {
  await take([...input.files].map((file) => [file.webkitRelativePath || file.name, file]));
  input.value = '';
});
element.querySelector('.folder').addEventListener('click', () => input.click());
asks.querySelector('form').addEventListener('submit', (sent) => {
  if (sent.submitter?.value === 'add' && !folderOf(answer.value)) { sent.preventDefault(); answer.focus(); }
});
zone.addEventListener('dragover', (dragged) => { dragged.preventDefault(); zone.classList.add('over'); });
zone.addEventListener('dragleave', () => zone.classList.remove('over'));
zone.addEventListener('drop', async (dropped) => {
  dropped.preventDefault();
  dropped.stopPropagation();
  zone.classList.remove('over');
  await takeEntries([...dropped.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean));
});
element.querySelector('.folder').dataset.ready = '';
