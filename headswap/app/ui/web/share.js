// The link of one run: a button with `data-do` sends its action and where phones find this page.
element.addEventListener('click', (happened) => {
  const button = happened.target.closest('button');
  if (!button || button.disabled) return;
  if (button.matches('[data-copy]')) copy(button);
  else if (button.matches('[data-do]')) {
    trigger('click', { chosen: button.dataset.do, here: new URL('follow', window.location.href).href });
  }
});
