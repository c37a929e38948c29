/*
 * demo.js
 *   Moves between the demo's routes without reloading: fetches the page that a
 *   link names, as the server renders it, puts its content and title in place
 *   and tells the tracker the page's own name.
 *
 * Links are plain links.  Without this file, or when a fetch fails, the browser
 * simply follows them.
 */
(() => {
  const parser = new DOMParser();
  let latest = 0; // number of the newest request; an older answer is dropped

  // Marks the links that lead to where we are.
  const mark = () => {
    for (const link of document.links)
      if (link.pathname === location.pathname)
        link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
  };

  // Shows the page at `address`; `push` when it is a new entry of the history.
  const show = async (address, push) => {
    const number = ++latest;
    const response = await fetch(address, { headers: { Accept: "text/html" } });
    if (!response.ok) throw new Error(`${address}: ${response.status}`);
    const page = parser.parseFromString(await response.text(), "text/html");
    const content = page.getElementById("content");
    if (number !== latest) return;
    if (push) history.pushState(null, "", response.url);
    document.title = page.title;
    document.getElementById("content").replaceWith(content);
    if (window.pageviews) window.pageviews.view({ name: page.title });
    mark();
    if (push) {
      scrollTo(0, 0);
      content.querySelector("h1").focus({ preventScroll: true });
    }
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (
      !link ||
      link.origin !== location.origin ||
      link.target ||
      event.button ||
      event.ctrlKey ||
      event.metaKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    event.preventDefault();
    show(link.href, true).catch(() => location.assign(link.href));
  });

  addEventListener("popstate", () => {
    show(location.href, false).catch(() => location.reload());
  });

  mark();
})();
