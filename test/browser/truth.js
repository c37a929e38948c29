// The ground truth of a test page: records by itself when the page began, was
// hidden, shown and left, and tells the test's site at once.  Shares nothing with
// the tracker.  Runs before it.
(() => {
  let page, number, path;

  const tell = (what) =>
    navigator.sendBeacon(
      "/truth",
      JSON.stringify({
        page,
        number: number++,
        path,
        what,
        at: performance.timeOrigin + performance.now(),
        visible: document.visibilityState === "visible",
      }),
    );

  const begin = () => {
    page = Math.random().toString(36).slice(2);
    number = 0;
    path = location.pathname;
    tell("begin");
  };

  // For what only the test knows: another view begins with this change.
  window.nextView = (change) => {
    change();
    tell("end");
    begin();
  };

  addEventListener("pagehide", () => tell("end"), true);
  addEventListener(
    "pageshow",
    (event) => {
      if (event.persisted) begin();
    },
    true,
  );
  document.addEventListener("visibilitychange", () => tell("change"), true);
  begin();
})();
