// One part of /learn. A button with `data-do` sends its action together with what was chosen on the page;
// `data-copy` puts its text on the clipboard (copy.js); `data-print` prints. Choosing an answer wakes the Run button.
const message = {};
const page = () => document.getElementById('hs-learn');
const chosen = (name) => page()?.querySelector(`input[name=${name}]:checked`)?.value ?? '';
const quizAnswers = () => {
  const rows = page()?.querySelectorAll('.quiz fieldset') ?? [];
  return [...rows].map((row) => row.querySelector('input:checked')?.value ?? '');
};

element.addEventListener('click', (happened) => {
  const button = happened.target.closest('button');
  if (!button || button.disabled) return;
  if (button.matches('[data-copy]')) copy(button);
  else if (button.matches('[data-print]')) window.print();
  else if (button.matches('[data-do]')) {
    const action = button.dataset.do;
    if (action.startsWith('open:')) {
      history.replaceState(null, '', `${location.pathname}?lesson=${action.slice(5)}`);
      window.scrollTo({ top: 0 });
    }
    const said = { chosen: action, guess: chosen('guess'), quiz: quizAnswers(), material: chosen('material') };
    trigger('click', Object.assign(message, said));  // one for all: gradio sends one that waited with the one before
  }
});

// Nothing is run before something was chosen: in this experiment, not in the one that was open before.
const wake = () => {
  const run = page()?.querySelector('#hs-run[data-needs]');
  if (!run) return;
  run.disabled = !page().querySelector('input[name=guess]:checked:not(:disabled)');
  page().querySelector('.needs').textContent = run.disabled ? run.dataset.needs : 'Your guess is taken when you run it.';
};
element.addEventListener('change', wake);

// What has the focus may be gone when its part is drawn again: who uses the keyboard goes on in the same part.
element.addEventListener('focusin', () => { globalThis.headswapPart = element; });
watch('value', () => requestAnimationFrame(() => {
  // A part is updated, not built again: what was ticked in one experiment would stay ticked in the next.
  element.querySelectorAll('input[type=radio]').forEach((one) => { one.checked = one.hasAttribute('checked'); });
  wake();
  if (globalThis.headswapPart !== element) return;
  if (document.activeElement && document.activeElement !== document.body) return;
  const next = ['[aria-current]', '.asking button', '.primary:not([disabled])', 'button:not([disabled])']
    .map((what) => element.querySelector(what)).find((one) => one);
  next?.focus({ preventScroll: true });
}));
