// The tried pictures: those that are ticked are what "It is …" is about. edits.js, before this text, sends.
function ticked() {
  const boxes = [...element.querySelectorAll('.pick input:checked')], bar = element.querySelector('.it-is');
  if (!bar) return;
  bar.hidden = !boxes.length;
  bar.querySelector('.how-many').textContent = boxes.length === 1 ? '1 picture:' : `${boxes.length} pictures:`;
  for (const one of bar.querySelectorAll('[data-edit]')) one.dataset.file = boxes.map((box) => box.value).join(' ');
}
element.addEventListener('change', (changed) => { if (changed.target.matches('.pick input')) ticked(); });
element.addEventListener('click', (pressed) => {
  const all = pressed.target.closest('[data-all]');
  if (!all) return;
  const boxes = [...all.closest('section').querySelectorAll('.pick input')], some = boxes.some((box) => !box.checked);
  for (const box of boxes) box.checked = some;
  ticked();
});

// Drawn again: nothing is ticked, though gradio may keep the boxes. What was pressed, here or in the dialog, may be
// gone: who uses the keyboard goes on next to it.
watch('value', () => requestAnimationFrame(() => {
  for (const box of element.querySelectorAll('.pick input')) box.checked = false;
  ticked();
  const edit = globalThis.headswap.lastEdit, here = document.activeElement;
  if (!edit || edit === 'look-tried') return;
  globalThis.headswap.lastEdit = '';
  if (here && here !== document.body && here.offsetParent !== null) return;
  const found = edit === 'show-tried' ? '.filters [aria-pressed=true]' : '.changed button';
  (element.querySelector(found) || element.querySelector('h3'))?.focus({ preventScroll: true });
}));
