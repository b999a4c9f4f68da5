// Keeps parts of a page of the console current. The page is whole without it.
'use strict';

(() => {
  const main = document.querySelector('main[data-live]');
  const state = document.querySelector('[data-live-state]');
  if (!main || !state || !window.EventSource) return;

  const firstPause = 5000;
  const longestPause = 300000;
  let pause = firstPause;
  let source = null;
  let isOver = false;
  let retry = 0;

  const say = (text) => { state.textContent = text; };

  const close = () => {
    clearTimeout(retry);
    if (source) source.close();
    source = null;
  };

  const again = () => {
    close();
    say('This page is not kept current just now.');
    retry = setTimeout(open, pause);
    pause = Math.min(pause * 2, longestPause);
  };

  // Where somebody reads, selects or moves by the keyboard, nothing is replaced.
  const isInUse = (part) => {
    const selection = document.getSelection();
    const isSelected = selection && !selection.isCollapsed && selection.containsNode(part, true);
    return isSelected || part.contains(document.activeElement);
  };

  const show = (event) => {
    pause = firstPause;
    const parts = JSON.parse(event.data);
    for (const part of document.querySelectorAll('[data-part]')) {
      const content = parts[part.dataset.part];
      // The server escaped it, as it did the page.
      if (content !== undefined && !isInUse(part)) part.innerHTML = content;
    }
    say('This page is kept current.');
  };

  const end = (event) => {
    const { reason, again: mayBeginAgain } = JSON.parse(event.data);
    if (mayBeginAgain) {
      again();
      return;
    }
    isOver = true;
    close();
    say(reason);
  };

  const open = () => {
    // A page that nobody sees takes no stream from others.
    if (source || isOver || document.hidden) return;
    source = new EventSource(main.dataset.live);
    source.addEventListener('parts', show);
    source.addEventListener('end', end);
    source.addEventListener('error', again);
  };

  document.addEventListener('visibilitychange', () => {
    if (document.hidden) close();
    else open();
  });
  open();
})();
