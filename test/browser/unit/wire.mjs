// The checks that the listener makes of a message: it throws on anything that is none.

const UUID =
  /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export function check(message) {
  const bad = (why) => {
    throw new Error(`${why}: ${JSON.stringify(message)}`);
  };
  if (message.type === "event") {
    if (!UUID.test(message.event)) bad("event");
    if (!UUID.test(message.view)) bad("view");
    if (!/^https?:/.test(message.url)) bad("url");
    if (Object.keys(message.props ?? {}).length > 16) bad("props");
    return;
  }
  if (!["view", "state", "end"].includes(message.type)) bad("type");
  if (!["hidden", "visible", "focused"].includes(message.state)) bad("state");
  if (!UUID.test(message.view)) bad("view");
  if (!Number.isInteger(message.n) || message.n < 1) bad("n");
  for (const figure of ["visible", "focused", "active", "elapsed", "gap"])
    if (!(message[figure] >= 0)) bad(figure);
  if (!(message.scroll >= 0 && message.scroll <= 100)) bad("scroll");
  if (
    message.active > message.focused ||
    message.focused > message.visible ||
    message.visible > message.elapsed
  )
    bad("order of figures");
  if (
    message.type === "end" &&
    !["closed", "navigated"].includes(message.reason)
  )
    bad("reason");
  if (message.type === "view" || message.url) {
    if (!/^https?:/.test(message.url)) bad("url");
    if (message.props && Object.keys(message.props).length > 16) bad("props");
  }
}
