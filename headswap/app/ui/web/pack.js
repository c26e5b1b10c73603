// What a person chose becomes one zip in the browser. Large pictures are made smaller on the way, as the server
// would keep them; what a canvas would change or cannot read travels as it is. Stands before the texts that use
// it (picker.js, many.js), in a piece with `data-endings`; `downloadZip` (client-zip) stands before this one.
const SHORTER_SIDE = 640, SMALL_BYTES = 200_000, LARGEST_IMAGE = 209_715_200, LARGEST_OTHER = 20_000_000, AT_ONCE = 4;
const SHRINKS = /\.(jpe?g|png|webp|bmp|avif)$/i, HIDDEN = /(^|\/)(\.|__MACOSX|Thumbs\.db|desktop\.ini)/;
const endings = element.querySelector('[data-endings]').dataset.endings.split(',');
const isImage = (name) => endings.some((ending) => name.toLowerCase().endsWith(ending));
const accept = ['image/*', 'video/*', ...endings].join(',');
globalThis.headswap = { ...globalThis.headswap, accept, isImage };

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
  if (file.size > (isImage(path) ? LARGEST_IMAGE : LARGEST_OTHER)) return null;
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

// What systems hide is left; `says` hears how far it is, and what cannot be sent. Nothing, where nothing can.
const visible = (found) => apart(found.filter(([path]) => !HIDDEN.test(path)));
async function pack(files, says) {
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
  if (!tops.size) { says.textContent = left ? 'None of these files can be sent: they cannot be read, or are too large to be pictures.' : 'There is nothing in that folder.'; return null; }
  const name = tops.size === 1 && depth > 2 ? [...tops][0] : 'My pictures';
  says.textContent = `${done - left} ${done - left === 1 ? 'file' : 'files'}, ${(zip.size / 1e6).toFixed(1)} MB to send` + (left ? `; ${left} left here: not to be read, or too large to be pictures` : '');
  return new File([zip], `${name}.zip`, { type: 'application/zip' });
}

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

async function entriesOf(entries) {
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}
function carry(file, target) {
  const carrier = new DataTransfer();
  carrier.items.add(file);
  target.files = carrier.files;
  target.dispatchEvent(new Event('change', { bubbles: true }));
}
