// The picker: folders, loose pictures and camera frames become one store-only zip in the browser, handed
// to the zip upload. Folder names are class names, and gradio's own folder upload drops them. Large
// pictures are made smaller on the way; what this browser cannot read travels as it is, so that the server
// names it. The rows of classes and the camera call `headswap.take`, too.
const SHORTER_SIDE = 512, SMALL_BYTES = 200_000, LARGEST_OTHER = 20_000_000, AT_ONCE = 4;
const SHRINKS = /\.(jpe?g|png|webp|bmp|avif)$/i, HIDDEN = /(^|\/)(\.|__MACOSX|Thumbs\.db|desktop\.ini)/;
const input = element.querySelector('input[type=file]'), says = element.querySelector('.packing');
const zone = element.closest('.drop') || element;
const asks = element.querySelector('dialog'), answer = asks.querySelector('input');

const CRC = new Uint32Array(256).map((_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});
const crc32 = (bytes) => {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = CRC[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
};

async function smaller(file) {
  const whole = async () => new Uint8Array(await file.arrayBuffer());
  if (!SHRINKS.test(file.name) || file.size <= SMALL_BYTES) return whole();
  let bitmap;
  try { bitmap = await createImageBitmap(file); } catch { return whole(); }
  const scale = Math.min(1, SHORTER_SIDE / Math.min(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * scale)), height = Math.max(1, Math.round(bitmap.height * scale));
  const canvas = new OffscreenCanvas(width, height), pen = canvas.getContext('2d');
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, width, height);
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.92 });
  return blob.size < file.size ? new Uint8Array(await blob.arrayBuffer()) : whole();
}

function packed(entries) {
  const parts = [], directory = [], encoder = new TextEncoder();
  let offset = 0;
  for (const [name, bytes] of entries) {
    const path = encoder.encode(name), crc = crc32(bytes);
    const local = new DataView(new ArrayBuffer(30)), central = new DataView(new ArrayBuffer(46));
    for (const [at, value] of [[0, 0x04034b50], [14, crc], [18, bytes.length], [22, bytes.length]]) local.setUint32(at, value, true);
    for (const [at, value] of [[4, 20], [6, 0x800], [26, path.length]]) local.setUint16(at, value, true);
    for (const [at, value] of [[0, 0x02014b50], [16, crc], [20, bytes.length], [24, bytes.length], [42, offset]]) central.setUint32(at, value, true);
    for (const [at, value] of [[4, 20], [6, 20], [8, 0x800], [28, path.length]]) central.setUint16(at, value, true);
    parts.push(local.buffer, path, bytes);
    directory.push(central.buffer, path);
    offset += 30 + path.length + bytes.length;
  }
  const size = directory.reduce((sum, part) => sum + part.byteLength, 0), end = new DataView(new ArrayBuffer(22));
  for (const [at, value] of [[0, 0x06054b50], [12, size], [16, offset]]) end.setUint32(at, value, true);
  for (const [at, value] of [[8, entries.length], [10, entries.length]]) end.setUint16(at, value, true);
  return new Blob([...parts, ...directory, end.buffer], { type: 'application/zip' });
}

function handOver(file) {
  const target = zone.querySelector('input[type=file][data-testid$="upload-button"]');
  const carrier = new DataTransfer();
  carrier.items.add(file);
  target.files = carrier.files;
  target.dispatchEvent(new Event('change', { bubbles: true }));
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

async function take(found) {
  const files = apart(found.filter(([path]) => !HIDDEN.test(path)));
  if (files.length === 1 && /\.zip$/i.test(files[0][0])) return handOver(files[0][1]);
  const loose = files.filter(([path]) => !path.includes('/'));
  if (loose.length) {
    const name = await nameFor(loose.length);
    if (!name) return;
    for (const entry of loose) entry[0] = `${name}/${entry[0]}`;
  }
  const entries = new Array(files.length);
  let next = 0, done = 0, left = 0;
  const work = async () => {
    while (next < files.length) {
      const mine = next++, [path, file] = files[mine];
      if (!SHRINKS.test(path) && file.size > LARGEST_OTHER) left++;
      else entries[mine] = [path, await smaller(file)];
      says.textContent = `Preparing file ${++done} of ${files.length}`;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const ready = entries.filter(Boolean);
  if (!ready.length) { says.textContent = 'There is nothing in that folder.'; return; }
  const tops = new Set(ready.map(([path]) => path.split('/')[0])), zip = packed(ready);
  const name = tops.size === 1 && ready[0][0].split('/').length > 2 ? [...tops][0] : 'My pictures';
  says.textContent = `${ready.length} files, ${(zip.size / 1e6).toFixed(1)} MB to send` + (left ? `; ${left} left here, too large to be pictures` : '');
  handOver(new File([zip], `${name}.zip`, { type: 'application/zip' }));
}

// A class name that can be a folder of a zip.
const folderOf = (name) => name.replace(/[\\/]+/g, ' ').trim().replace(/^\.+/, '');

function nameFor(count) {
  asks.querySelector('h2').textContent = count === 1 ? 'What does this picture show?' : `What do these ${count} pictures show?`;
  asks.querySelector('datalist').replaceChildren(...globalThis.headswap.classes().map((name) => Object.assign(document.createElement('option'), { value: name })));
  answer.value = '';
  asks.showModal();
  return new Promise((done) => asks.addEventListener('close', () => done(asks.returnValue === 'add' ? folderOf(answer.value) : ''), { once: true }));
}

const classes = () => [...document.querySelectorAll('#hs-classes [data-class]')].map((row) => row.dataset.class);
async function takeEntries(entries) {
  const found = [];
  for (const entry of entries) await walk(entry, found);
  await take(found);
}
globalThis.headswap = { ...globalThis.headswap, take, takeEntries, folderOf, classes };

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

const loosely = Object.assign(document.createElement('input'), { type: 'file', multiple: true, accept: 'image/*' });
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
