// The picker: folders, loose pictures and camera frames become one zip in the browser (pack.js stands before this
// text), handed to the zip upload. Folder names are class names, and gradio's own folder upload drops them.
// The rows of classes and the camera call `headswap.take`, too.
const input = element.querySelector('input[type=file]'), says = element.querySelector('.packing');
const zone = element.closest('.drop') || element;
const asks = element.querySelector('dialog.name'), answer = asks.querySelector('input'), asksHow = element.querySelector('dialog.place');

let ours = false;
function handOver(file, how) {
  const told = document.querySelector('#hs-put textarea, #hs-put input'), target = zone.querySelector('input[type=file][data-testid$="upload-button"]');
  told.value = how;
  told.dispatchEvent(new Event('input', { bubbles: true }));
  ours = true;
  carry(file, target);
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

// `intoClasses`: they are meant for classes that are there, so no one has to be asked.
async function take(found, { intoClasses = false } = {}) {
  const files = visible(found);
  const isZip = files.length === 1 && /\.zip$/i.test(files[0][0]), loose = files.filter(([path]) => !path.includes('/'));
  let how = 'add';
  if (!intoClasses && files.length && (isZip || loose.length < files.length)) how = await howToAdd();
  if (!how) return;
  if (isZip) return handOver(files[0][1], how);
  if (loose.length) {
    asks.querySelector('[value=help]').hidden = loose.length < files.length;  // folders say what is in them
    const name = await nameFor(loose.length);
    if (name === null) how = 'help';  // no one has sorted them
    else if (!name) return;
    if (how !== 'help') for (const entry of loose) entry[0] = `${name}/${entry[0]}`;
  }
  const zip = await pack(files, says);
  if (zip) handOver(zip, how);
}

// Added to the pictures that are there, in their place, or not at all.
function howToAdd() {
  const there = document.querySelector('#hs-classes h2');
  if (!classes().length || !there) return 'add';
  asksHow.querySelector('.there').textContent = there.textContent;
  asksHow.returnValue = '';
  asksHow.showModal();
  return new Promise((done) => asksHow.addEventListener('close', () => done(asksHow.returnValue), { once: true }));
}

// A class name that can be a folder of a zip.
const folderOf = (name) => name.replace(/[\\/]+/g, ' ').trim().replace(/^\.+/, '');

function nameFor(count) {
  asks.querySelector('h2').textContent = count === 1 ? 'What does this picture show?' : `What do these ${count} pictures show?`;
  asks.querySelector('datalist').replaceChildren(...globalThis.headswap.classes().map((name) => Object.assign(document.createElement('option'), { value: name })));
  answer.value = '';
  asks.returnValue = '';
  asks.showModal();
  return new Promise((done) => asks.addEventListener('close', () => done(asks.returnValue === 'help' ? null : asks.returnValue === 'add' ? folderOf(answer.value) : ''), { once: true }));
}

const classes = () => [...document.querySelectorAll('#hs-classes [data-class]')].map((row) => row.dataset.class);
const takeEntries = async (entries) => take(await entriesOf(entries));
globalThis.headswap = { ...globalThis.headswap, take, takeEntries, folderOf, classes };

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
