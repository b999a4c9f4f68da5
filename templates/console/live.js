// Keeps parts of a page of the console current. The page is whole without it.
'use strict';

(() => {
  const main = document.querySelector('main[data-live]');
  const state = document.querySelector('[data-live-state]');
  if (!main || !state || !window.EventSource) return;

  const firstPause = 5000;
  const longestPause = 300000;
  let pause = firstPause;
  let notBefore = 0;
  let source = null;
  let isOver = false;
  let retry = 0;
  // What came for parts, until it is shown.
  const held = new Map();

  const say = (text) => { state.textContent = text; };

  const close = () => {
    clearTimeout(retry);
    if (source) source.close();
    source = null;
  };

  const again = () => {
    close();
    say('This page is not kept current just now.');
    notBefore = performance.now() + pause;
    pause = Math.min(pause * 2, longestPause);
    open();
  };

  // Where somebody reads, selects or moves by the keyboard, nothing is replaced.
  const isInUse = (part) => {
    const selection = document.getSelection();
    const isSelected = selection && !selection.isCollapsed && selection.containsNode(part, true);
    return isSelected || part.contains(document.activeElement);
  };

  const put = () => {
    for (const [part, content] of held) {
      if (isInUse(part)) continue;
      held.delete(part);
      // The server escaped it, as it did the page.
      part.innerHTML = content;
    }
  };

  const show = (event) => {
    pause = firstPause;
    const parts = JSON.parse(event.data);
    for (const part of document.querySelectorAll('[data-part]')) {
      const content = parts[part.dataset.part];
      if (content !== undefined) held.set(part, content);
    }
    put();
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
    clearTimeout(retry);
    // A page that nobody sees takes no stream from others.
    if (source || isOver || document.hidden) return;
    const wait = notBefore - performance.now();
    if (wait > 0) {
      retry = setTimeout(open, wait);
      return;
    }
    source = new EventSource(main.dataset.live);
    source.addEventListener('parts', show);
    source.addEventListener('end', end);
    source.addEventListener('error', again);
  };

  document.addEventListener('selectionchange', put);
  // Only then it is known what has the focus next.
  document.addEventListener('focusout', () => setTimeout(put));
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) close();
    else open();
  });
  open();
})();
