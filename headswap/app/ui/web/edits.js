// What a person may do to their pictures. A button or form with `data-edit` sends it, as text, with what it
// is about; `data-add` opens the file chooser for a class, `data-camera` the camera; pictures may be
// dropped on a class. A `dialog` in this piece of the page opens when it arrives, unless the one in which it was
// asked for was closed meanwhile.

// One for the whole page: whether the next picture was asked for in a dialog, and the dialog closed before it came.
globalThis.headswap = { next: { isAwaited: false, isUnwanted: false }, ...globalThis.headswap };
const { next } = globalThis.headswap;
const message = {};  // one for all presses: gradio sends one that waited with the message of the one before it
const send = (source, value) => {
  const { edit, name = '', file = '' } = source.dataset;
  next.isAwaited = edit.startsWith('look') && source.closest('dialog') !== null;
  next.isUnwanted = false;
  if (!/^(open|look|show|ask)/.test(edit)) globalThis.headswap.didSomething = true;
  globalThis.headswap.lastEdit = edit;
  trigger('click', Object.assign(message, { edit, name, file, value }));
};
const chooser = Object.assign(document.createElement('input'), { type: 'file', multiple: true });
let chosenFor = '';
const give = (name, files) => globalThis.headswap.take([...files].map((file) => [`${globalThis.headswap.folderOf(name)}/${file.name}`, file]), { intoClasses: true });

// The name of a class: of an old one from its row, of a new one as it was typed.
function nameOf(button) {
  if (button.dataset.add || button.dataset.camera) return button.dataset.add || button.dataset.camera;
  const form = button.closest('form'), typed = form?.querySelector('input');
  if (!typed) return '';
  const name = globalThis.headswap.folderOf(typed.value), says = form.querySelector('[role=alert]');
  says.textContent = name ? '' : 'Type its name first.';
  if (!name) typed.focus();
  return name;
}

function choose(button) {
  chosenFor = nameOf(button);
  chooser.accept = globalThis.headswap.accept;
  if (chosenFor) chooser.click();
}

element.addEventListener('click', (pressed) => {
  const button = pressed.target.closest('button');
  if (!button || button.disabled || button.type === 'submit') return;
  if (button.matches('[data-close]')) button.closest('dialog').close();
  else if (button.matches('[data-edit]')) send(button, '');
  else if (button.matches('[data-add]')) choose(button);
  else if (button.matches('[data-camera]') && nameOf(button)) globalThis.headswap.film(nameOf(button));
});
// Drawn again between the pointer's down and its up, a button is another element, and the browser says no click: the
// one that is about the same is pressed instead.
let held = null;
const about = (button) => JSON.stringify([button.dataset.edit, button.dataset.name, button.dataset.file]);
const isThere = (button) => !button.disabled && about(button) === held.about;
element.addEventListener('pointerdown', (pressed) => {
  const button = pressed.button === 0 && pressed.target.closest('button[data-edit]');
  held = button ? { button, about: about(button) } : null;
});
document.addEventListener('pointerup', (raised) => {
  if (held && !held.button.isConnected && element.contains(raised.target)) [...element.querySelectorAll('button[data-edit]')].find(isThere)?.click();
  held = null;
});
document.addEventListener('pointercancel', () => { held = null; });
element.addEventListener('submit', (sent) => {
  sent.preventDefault();
  if (sent.target.dataset.edit) send(sent.target, sent.target.querySelector('input, select').value);
  else choose(sent.target.querySelector('[data-add]'));
});
chooser.addEventListener('change', async () => {
  await give(chosenFor, chooser.files);
  chooser.value = '';
});

const rowUnder = (dragged) => dragged.target.closest('[data-class]');
for (const kind of ['dragover', 'dragleave', 'drop']) {
  element.addEventListener(kind, (dragged) => {
    const row = rowUnder(dragged);
    if (!row) return;
    dragged.preventDefault();
    row.classList.toggle('over', kind === 'dragover');
    if (kind !== 'drop') return;
    const files = [...dragged.dataTransfer.items].filter((item) => item.webkitGetAsEntry()?.isFile).map((item) => item.getAsFile());
    if (files.length) give(row.dataset.class, files);  // what is no picture is named by the server
  });
}

const opened = () => {
  const dialog = element.querySelector('dialog');
  if (!dialog || dialog.open) return;
  const { isUnwanted } = next;
  next.isAwaited = next.isUnwanted = false;
  if (isUnwanted) {  // gone from the value as well, else the same picture would not open again
    setTimeout(() => { if (element.contains(dialog)) props.value = ''; });
    return;
  }
  dialog.addEventListener('close', () => {
    next.isUnwanted = next.isAwaited;
    if (element.contains(dialog)) props.value = '';
  });
  dialog.addEventListener('click', (pressed) => { if (pressed.target === dialog) dialog.close(); });
  dialog.showModal();
};
if (element.closest('#hs-view, #hs-many-view')) watch('value', opened);

// After an edit the button that did it may be gone: who uses the keyboard goes on at Undo, or at the top.
if (element.closest('#hs-classes')) watch('value', () => {
  if (!globalThis.headswap.didSomething) return;
  globalThis.headswap.didSomething = false;
  requestAnimationFrame(() => {
    if (document.activeElement && document.activeElement !== document.body) return;
    (element.querySelector('.changed button') || element.querySelector('h2, input'))?.focus({ preventScroll: true });
  });
});
