// Labeling by key. Loaded by ui/components/label_board.py. What a person says gets a number at once, is kept in the
// browser's storage, and is sent again until the server says that it is on the disk: a server that is killed, a tab that
// is reloaded or keys faster than any answer lose nothing. Names come from files and are set as text, never as HTML.

const AGAIN = 2500; // milliseconds after which what was not acknowledged is sent once more
const PAUSE = 1200; // milliseconds without a word after which the server, which was asked to hurry, may learn in peace
const GATHER = 150; // milliseconds for which labels are gathered before they are sent together
const TAIL = 9; // letters of a long name that are always seen
const TOGETHER = 24; // images of the queue that are seen at once
const HEADER = 64; // pixels at the top of the window that the page's header takes
const MANY = 6; // classes above which their keys take the room of the image on a low screen
const boards = new Map(); // what this tab knows of each set, also while its page is left

function board(of) {
  if (!boards.has(of)) {
    const tab = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
    boards.set(of, {
      tab,
      next: 1,
      lists: leftovers(of), // by tab: {first, records}; those of tabs that were closed before theirs was taken, too
      said: new Map(), // by image: what this tab said last, until the server's queue says the same
      past: [], // for undo: [{names, before}]
      queue: [],
      at: 0,
      order: "", // that the person chose, by which the queue was made
      together: false, // whether many images of the queue are seen, or one
      group: "", // the last one that was seen
      left: null, // {queue, at} while a group is seen: what was before it
      leaving: null, // the group that "Back to the queue" was pressed in, until the server shows the queue
      selected: new Set(),
      anchor: null,
    });
  }
  return boards.get(of);
}

function leftovers(of) {
  const lists = new Map();
  try {
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(`fewlab-labels:${of}:`)) continue;
      const kept = JSON.parse(localStorage.getItem(key));
      if (kept && kept.records.length) lists.set(key.split(":").pop(), kept);
    }
  } catch {
    return lists; // no storage here: what is not sent yet is lost with the tab
  }
  return lists;
}

function keep(of, tab, list) {
  try {
    const key = `fewlab-labels:${of}:${tab}`;
    if (list && list.records.length) localStorage.setItem(key, JSON.stringify(list));
    else localStorage.removeItem(key);
  } catch {
    return;
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".fewlab-board");
  const state = board(data.of);
  if (!data.group) state.leaving = null;
  root.tabIndex = -1;
  state.root = root; // while a page is drawn anew, an earlier board may still stand on it: keys are for the newest

  clearTimeout(state.pausing);
  if (data.awaits_pause) state.pausing = setTimeout(() => setTriggerValue("pause", state.next), PAUSE);
  acknowledge();
  enqueue();
  draw();
  if (isGroup() && state.group !== data.group) bringIntoSight();
  state.group = data.group;
  flush();

  const onKey = (event) => {
    const target = event.target;
    const types = target.closest?.("input, textarea, select, [contenteditable], [role=combobox], [role=slider]");
    if (types || event.ctrlKey || event.metaKey || event.altKey || !root.isConnected || state.root !== root) return;
    if (target.closest?.("[role=dialog], [data-baseweb=popover]")) return;
    // What has the focus elsewhere on the page is pressed by these.
    const presses = event.key === "Enter" || event.key === " ";
    if (presses && !root.contains(target) && target.closest?.("button, a, summary, [role=button], [role=radio]")) return;
    if (press(event.key, event.repeat)) event.preventDefault();
  };
  // Every answer of the server comes here anew: what listens is this call and no earlier one.
  root.fewlabStop?.();
  document.addEventListener("keydown", onKey);
  // A button that is replaced between a press and its release is not clicked: what comes meanwhile is drawn afterwards.
  root.onpointerdown = () => (state.held = true);
  const onRelease = () => {
    state.held = false;
    setTimeout(() => state.late && state.draw()); // the click comes first
  };
  for (const kind of ["pointerup", "pointercancel"]) document.addEventListener(kind, onRelease);
  const timer = setInterval(flush, AGAIN);
  root.fewlabStop = () => {
    document.removeEventListener("keydown", onKey);
    for (const kind of ["pointerup", "pointercancel"]) document.removeEventListener(kind, onRelease);
    clearInterval(timer);
  };

  function isGroup() {
    return Boolean(data.group) && data.group !== state.leaving;
  }

  // What was pressed to see the group may stand a screen below the board.
  function bringIntoSight() {
    const { top } = root.getBoundingClientRect();
    if (top < HEADER || top > window.innerHeight / 2) root.scrollIntoView({ block: "start" });
  }

  function isOne() {
    return !isGroup() && !state.together;
  }

  function press(key, repeats) {
    if (key === "Backspace") undo();
    else if (repeats && key.length === 1) return true; // a key held down is one answer
    else if (key === "Enter") return accept();
    else if (key === "0") exclude();
    else if (key === " ") skip();
    else if (key === "ArrowRight" || key === "ArrowLeft") move(key === "ArrowRight" ? 1 : -1);
    else if (key === "Escape" && state.selected.size) state.selected.clear();
    else {
      const found = data.classes.find((c) => c.key && c.key === key.toLowerCase());
      if (!found) return false;
      label(found.name, "hand");
      return true;
    }
    draw();
    return true;
  }

  // what is said

  function targets() {
    if (isOne()) return state.queue[state.at] ? [state.queue[state.at].name] : [];
    return state.queue.filter((image) => state.selected.has(image.name)).map((image) => image.name);
  }

  function label(of, how) {
    const names = targets();
    if (names.length) say(names, { do: "label", images: names, of, how: names.length > 1 ? "group" : how }, of);
    draw();
  }

  function accept() {
    if (isOne()) {
      const prediction = state.queue[state.at]?.prediction;
      if (prediction) label(prediction, "accepted");
      return Boolean(prediction);
    }
    const chosen = state.queue.filter((image) => state.selected.has(image.name) && image.prediction);
    const byPrediction = new Map();
    for (const image of chosen) byPrediction.set(image.prediction, [...(byPrediction.get(image.prediction) ?? []), image.name]);
    for (const [of, names] of byPrediction) say(names, { do: "label", images: names, of, how: "accepted" }, of);
    draw();
    return byPrediction.size > 0;
  }

  function exclude() {
    const names = targets();
    if (names.length) say(names, { do: "exclude", images: names, why: "none of these" }, "none of these");
  }

  function skip() {
    const names = targets();
    if (names.length) say(names, { do: "skip", images: names }, null, "skipped");
  }

  function say(names, record, shown, note) {
    const before = names.map((name) => ({ name, label: current(name) }));
    state.past.push({ before, kind: record.do });
    if (state.past.length > 200) state.past.shift();
    for (const name of names) state.said.set(name, { label: shown, note: note ?? "", number: state.next });
    append(record);
    if (isOne()) move(1);
    else state.selected.clear();
  }

  function undo() {
    const last = state.past.pop();
    if (!last) return;
    for (const { name, label: was } of last.before) {
      if (last.kind === "exclude") append({ do: "exclude", images: [name], why: "", undo: true });
      if (was && was !== "none of these") append({ do: "label", images: [name], of: was, how: "hand" });
      else if (was === "none of these") append({ do: "exclude", images: [name], why: was });
      else if (last.kind === "label") append({ do: "label", images: [name], of: null, how: "hand" });
      state.said.set(name, { label: was, note: "", number: state.next - 1 });
    }
    const first = state.queue.findIndex((image) => image.name === last.before[0].name);
    if (first >= 0) state.at = first;
    if (!isOne()) state.selected = new Set(last.before.map((entry) => entry.name));
  }

  function current(name) {
    if (state.said.has(name)) return state.said.get(name).label;
    return state.queue.find((image) => image.name === name)?.label ?? null;
  }

  function append(record) {
    const list = state.lists.get(state.tab) ?? { first: state.next, records: [] };
    list.records.push(record);
    state.lists.set(state.tab, list);
    state.next += 1;
    keep(data.of, state.tab, list);
    clearTimeout(state.pausing); // the answer to this record brings the next one
    clearTimeout(state.gathering);
    state.gathering = setTimeout(() => state.flush?.(), GATHER);
  }

  // what is sent

  function acknowledge() {
    for (const [tab, list] of state.lists) {
      const taken = (data.acknowledged[tab] ?? 0) + 1 - list.first;
      if (taken > 0) {
        list.records.splice(0, taken);
        list.first += taken;
        state.sentAt = 0; // an answer came: the next may be sent
      }
      keep(data.of, tab, list);
      if (!list.records.length) state.lists.delete(tab);
    }
  }

  function flush() {
    const waiting = [...state.lists].filter(([, list]) => list.records.length);
    if (!waiting.length || !root.isConnected || state.root !== root || Date.now() - (state.sentAt ?? 0) < AGAIN) return;
    state.sentAt = Date.now();
    setTriggerValue(
      "sent",
      waiting.map(([tab, list]) => ({ tab, first: list.first, records: list.records.slice(0, 500) })),
    );
  }
  state.flush = flush;

  // the queue

  function enqueue() {
    if (data.group && !isGroup()) return; // an answer from before it was left
    // What this tab said of an image holds until the server, which has it on the disk, says the same.
    const unsent = state.lists.get(state.tab)?.first ?? state.next;
    for (const [name, said] of state.said) {
      if (said.number >= unsent || said.note) continue;
      for (const image of [...state.queue, ...(state.left?.queue ?? [])]) if (image.name === name) image.label = said.label;
      state.said.delete(name);
    }
    if (isGroup()) state.left ??= { queue: state.queue, at: state.at };
    else state.left = null;
    const shown = state.queue[state.at];
    const fresh = data.images.filter((image) => !state.said.has(image.name));
    // Of the first image nothing was said yet: one with a prediction may take its place when there are any.
    const isStale = !state.past.length && state.at === 0 && !shown?.prediction && fresh[0]?.prediction;
    // Only a choice brings another image. An order that comes by itself, with the features, must not: a key that is
    // being pressed is meant for the image that is looked at.
    const isAnotherOrder = Boolean(state.order && data.order) && state.order !== data.order;
    state.order = data.order;
    if (isOne() && shown && !isStale) {
      // The image that is looked at stays where it is, with those before it for a look back.
      const kept = state.queue.slice(Math.max(0, state.at - 40), isAnotherOrder ? state.at : state.at + 1);
      const there = new Set(kept.map((image) => image.name));
      const answered = isAnswered(shown);
      state.queue = [...kept, ...fresh.filter((image) => !there.has(image.name))];
      state.at = kept.length;
      if (!isAnotherOrder && !(answered && state.queue.length > kept.length)) state.at -= 1;
    } else {
      state.queue = isGroup() ? data.images : isOne() ? fresh : fresh.slice(0, TOGETHER);
      state.at = 0;
    }
    for (const name of [...state.selected]) if (!state.queue.some((image) => image.name === name)) state.selected.delete(name);
  }

  function isAnswered(image) {
    return current(image.name) !== null || Boolean(state.said.get(image.name)?.note);
  }

  function see(together) {
    state.together = together;
    state.selected.clear();
    enqueue();
  }

  // The queue as it was is seen at once; what came to it meanwhile is added when the server answers.
  function leaveGroup() {
    setTriggerValue("leave", true);
    state.selected.clear();
    if (!state.left?.queue.length) return;
    Object.assign(state, state.left, { left: null, leaving: data.group });
    if (isOne()) {
      while (state.queue[state.at] && isAnswered(state.queue[state.at])) state.at += 1;
    } else {
      state.queue = state.queue.filter((image) => !isAnswered(image));
    }
  }

  function move(by) {
    state.at = Math.max(0, Math.min(state.queue.length, state.at + by));
  }

  // what is seen

  function draw() {
    state.draw = draw;
    state.late = Boolean(state.held);
    if (state.held) return;
    const focused = root.contains(document.activeElement) ? document.activeElement.dataset.name : undefined;
    root.classList.toggle("crowded", data.classes.length > MANY);
    // Below many images the actions would be out of sight.
    root.replaceChildren(keys(), ...(isOne() ? [stage(), actions()] : [actions(), grid()]));
    if (focused) [...root.querySelectorAll("button")].find((b) => b.dataset.name === focused)?.focus({ preventScroll: true });
  }

  function keys() {
    const row = element("div", "keys");
    row.setAttribute("aria-label", "Classes");
    const waiting = new Map();
    for (const { label: of } of [...state.said.values()].filter((said) => said.number >= (state.lists.get(state.tab)?.first ?? Infinity)))
      if (of) waiting.set(of, (waiting.get(of) ?? 0) + 1);
    for (const c of data.classes) {
      const button = element("button");
      button.type = "button";
      button.dataset.name = `class ${c.name}`;
      button.style.borderLeftColor = c.color;
      button.setAttribute("aria-label", [c.key, c.name, c.count].filter((part) => part !== "").join(" "));
      button.title = c.key ? `${c.name}: press ${c.key}` : c.name;
      if (c.key) button.append(element("kbd", "", c.key));
      button.append(named("", c.name), element("span", "count", String(c.count + (waiting.get(c.name) ?? 0))));
      button.disabled = targets().length === 0;
      button.onclick = () => label(c.name, "hand");
      row.append(button);
    }
    return row;
  }

  function stage() {
    const area = element("div", "stage");
    const image = state.queue[state.at];
    const about = element("div", "about");
    if (!image) {
      about.append(element("div", "", state.queue.length ? "More images are coming." : "Every image has an answer."));
      area.append(about);
      return area;
    }
    area.append(picture(image, 160));
    const said = state.said.get(image.name);
    const label = current(image.name);
    const line = label ? `Labeled ${label}` : said?.note ? "Skipped" : image.prediction ? `${image.prediction}, ${image.sure}?` : "";
    about.append(element("div", "", line));
    if (image.why) about.append(element("div", "file", image.why));
    about.append(element("div", "file", image.name));
    area.append(about);
    return area;
  }

  function grid() {
    const whole = element("div", "many");
    const about = isGroup() && data.about ? `${data.about}. ` : "";
    whole.append(element("div", "hint", `${about}Select what belongs to one class, then press its key.`));
    const area = element("div", "grid");
    state.queue.forEach((image, k) => {
      const button = element("button");
      button.type = "button";
      button.dataset.name = image.name;
      button.title = image.name;
      button.setAttribute("aria-pressed", String(state.selected.has(image.name)));
      const label = current(image.name);
      button.setAttribute("aria-label", `${image.name}${label ? `, labeled ${label}` : image.prediction ? `, prediction ${image.prediction}` : ""}`);
      button.append(picture(image, 92));
      const said = state.said.get(image.name);
      if (label) button.append(named("given", label));
      else if (said?.note || !image.prediction) button.append(element("span", "", said?.note || "\u00a0"));
      else button.append(named("", image.prediction), element("span", "", `${image.sure}?`));
      button.onclick = (event) => {
        if (event.shiftKey && state.anchor !== null) {
          const [low, high] = [Math.min(state.anchor, k), Math.max(state.anchor, k)];
          state.queue.slice(low, high + 1).forEach((other) => state.selected.add(other.name));
        } else if (!state.selected.delete(image.name)) state.selected.add(image.name);
        state.anchor = k;
        draw();
      };
      area.append(button);
    });
    if (!state.queue.length) area.append(element("div", "about", "No image is left here."));
    whole.append(area);
    return whole;
  }

  function actions() {
    const row = element("div", "actions");
    const some = targets().length > 0;
    const one = isOne();
    const predicted = one ? state.queue[state.at]?.prediction : state.queue.some((i) => state.selected.has(i.name) && i.prediction);
    if (isGroup()) row.append(action("Back to the queue", "", leaveGroup, true));
    if (!one)
      row.append(
        action(state.selected.size === state.queue.length && state.queue.length ? "Select none" : "Select all", "", () => {
          if (state.selected.size === state.queue.length) state.selected.clear();
          else state.queue.forEach((image) => state.selected.add(image.name));
        }, state.queue.length > 0),
      );
    row.append(
      action(one ? "Accept" : "Accept predictions", "⏎", accept, Boolean(predicted)),
      action("None of these", "0", exclude, some),
      action("Skip", "␣", skip, some),
      action("Undo", "⌫", undo, state.past.length > 0),
    );
    if (one)
      row.append(action("More like this", "", () => setTriggerValue("similar", state.queue[state.at].name), some));
    if (!isGroup()) row.append(action(one ? "Many at once" : "One by one", "", () => see(one), true));
    const unsent = [...state.lists.values()].reduce((sum, list) => sum + list.records.length, 0);
    const status = element("span", "status", unsent ? `saving ${unsent} …` : state.next > 1 ? "all saved" : "");
    status.setAttribute("role", "status");
    if (unsent > 20) status.classList.add("waiting");
    row.append(status);
    return row;
  }

  function action(text, key, does, can) {
    const button = element("button");
    button.type = "button";
    button.dataset.name = `action ${text}`;
    button.disabled = !can;
    if (key) button.append(element("kbd", "", key));
    button.append(element("span", "", text));
    button.onclick = () => {
      does();
      draw();
    };
    return button;
  }

  function picture(image, large) {
    const shown = element("img");
    shown.alt = "";
    shown.decoding = "async";
    shown.onload = () => shown.classList.toggle("tiny", shown.naturalWidth < large);
    if (image.image.startsWith("data:image/")) shown.src = image.image;
    return shown;
  }

  return () => {
    if (root.isConnected) return;
    root.fewlabStop();
    root.replaceChildren();
  };
}

// A name too long for its place loses its middle: those of one kind often differ at the end.
function named(name, text) {
  const whole = element("span", `name ${name}`);
  const tail = text.length > 2 * TAIL ? text.slice(-TAIL) : "";
  whole.append(element("span", "head", text.slice(0, text.length - tail.length)), element("span", "tail", tail));
  return whole;
}

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}
