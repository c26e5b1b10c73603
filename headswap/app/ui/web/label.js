// Label with help: a digit is a class, and a picture that is taken out of its group is not in what its buttons
// send. edits.js, before this text, sends.
let answered = '';
const byDigit = (pressed) => {
  if (!element.isConnected) return document.removeEventListener('keydown', byDigit);
  if (pressed.repeat || pressed.ctrlKey || pressed.metaKey || pressed.altKey || !element.offsetParent) return;
  if (pressed.target.matches('input:not([type=checkbox]), textarea, select') || document.querySelector('dialog[open]')) return;
  const button = element.querySelector(`[data-digit="${CSS.escape(pressed.key)}"]`);
  if (!button || button.dataset.file === answered) return;  // the next picture has not come yet
  pressed.preventDefault();
  button.click();
};
if (element.closest('#hs-label-card')) {
  document.addEventListener('keydown', byDigit);
  element.addEventListener('click', (pressed) => { answered = pressed.target.closest('.asked [data-edit]')?.dataset.file || answered; });
}
element.addEventListener('submit', (sent) => {  // a digit that is typed next is an answer, and no letter
  answered = sent.target.dataset.file;
  sent.target.querySelector('input').blur();
});

element.addEventListener('change', (changed) => {
  const group = changed.target.closest('.alike-group');
  if (!group || !changed.target.matches('[type=checkbox]')) return;
  const kept = [...group.querySelectorAll('[type=checkbox]:checked')].map((box) => box.value);
  for (const one of group.querySelectorAll('[data-edit]')) one.dataset.file = kept.join(' ');
  group.querySelector('.how-many').textContent = kept.length === 1 ? '1 picture' : `${kept.length} pictures`;
});

// Drawn again: gradio may keep boxes as they were, though they stand for other pictures now. What was pressed may
// be gone: who uses the keyboard goes on at the question, or at the groups.
watch('value', () => {
  answered = '';
  requestAnimationFrame(() => {
    for (const box of element.querySelectorAll('.heap [type=checkbox]')) box.checked = true;
    for (const field of element.querySelectorAll('.new-name input')) if (field !== document.activeElement) field.value = '';
    const edit = globalThis.headswap.lastEdit || '', here = document.activeElement;
    if (!edit.startsWith('label-') || (here && here !== document.body && here.offsetParent)) return;
    const found = ['#hs-label-card .asked h3', '#hs-label-groups h3', '#hs-label-card h2'].map((one) => document.querySelector(one)).find((one) => one?.offsetParent);
    found?.focus({ preventScroll: true });
  });
});
