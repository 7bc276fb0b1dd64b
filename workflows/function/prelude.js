// What a function finds beside the language. It runs in each engine before the
// function does, and returns how to start one. Everything it needs later is kept
// in variables, so that a function that changes the built-in objects only harms
// itself.
(function () {
  "use strict";
  const global = globalThis;
  const host = global.__host;
  delete global.__host;

  // Shared memory is for threads, which there are none of, and finalizers would
  // show when memory is freed, which is nobody's business.
  for (const name of ["Atomics", "SharedArrayBuffer", "WeakRef", "FinalizationRegistry"]) delete global[name];

  const { apply, construct } = Reflect;
  const { parse, stringify } = JSON;
  const then = Promise.prototype.then;
  const text = String;
  const fromCharCode = String.fromCharCode;
  const define = Object.defineProperty;
  const ErrorType = Error;
  const TypeErrorType = TypeError;
  const push = Array.prototype.push;
  const join = Array.prototype.join;
  const isView = ArrayBuffer.isView;
  const Bytes = Uint8Array;
  const hidden = (object, name, value) =>
    define(object, name, { value, writable: true, enumerable: false, configurable: true });

  // Bytes travel to the host as a text of one character for each.
  const binary = (data) => {
    if (typeof data === "string") return ["text", data];
    if (isView(data) || data instanceof ArrayBuffer) {
      const bytes = isView(data) ? new Bytes(data.buffer, data.byteOffset, data.byteLength) : new Bytes(data);
      let s = "";
      for (let i = 0; i < bytes.length; i += 4096) s += apply(fromCharCode, null, bytes.subarray(i, i + 4096));
      return ["bytes", s];
    }
    throw new TypeErrorType("a text or bytes are needed");
  };
  const onText = (operation) => hidden(global, operation, (data) => {
    const [form, s] = binary(data);
    return host(operation, form, s);
  });
  for (const name of ["toBase64", "toBase64URL", "fromBase64", "toHex", "fromHex", "sha1", "sha256", "sha512", "md5"]) onText(name);
  hidden(global, "hmac", (algorithm, key, data, encoding = "hex") => {
    const [keyForm, k] = binary(key);
    const [form, s] = binary(data);
    return host("hmac", text(algorithm), keyForm, k, form, s, text(encoding));
  });
  hidden(global, "formatDate", (time, layout, zone = "UTC") => {
    const at = +new RealDate(time);
    if (at !== at) throw new TypeErrorType("formatDate: this is not a time");
    return host("formatDate", at, text(layout), text(zone));
  });

  // console keeps a bounded number of lines for the one who looks at the run.
  const lines = [];
  let room = 16384;
  let full = false;
  const show = (v) => {
    if (typeof v === "string") return v;
    try {
      if (v instanceof ErrorType) return text(v);
      const s = stringify(v);
      return s === undefined ? text(v) : s;
    } catch {
      return "?";
    }
  };
  const log = (...args) => {
    if (full) return;
    const parts = [];
    for (let i = 0; i < args.length && i < 32; i++) parts[i] = show(args[i]);
    let line = apply(join, parts, [" "]);
    if (line.length > 2048) line = line.slice(0, 2047) + "…";
    if (lines.length >= 100 || line.length > room) {
      full = true;
      line = "(further output was dropped)";
    }
    room -= line.length;
    apply(push, lines, [line]);
  };
  hidden(global, "console", { log, info: log, warn: log, error: log, debug: log });

  // The clock stands still at the time of the call, in UTC.
  let now = 0;
  const RealDate = Date;
  const utc = RealDate.UTC;
  function FixedDate(...args) {
    if (new.target === undefined) return text(construct(RealDate, [now]));
    if (args.length === 0) args = [now];
    return construct(RealDate, args, new.target);
  }
  FixedDate.prototype = RealDate.prototype;
  hidden(RealDate.prototype, "constructor", FixedDate);
  hidden(FixedDate, "now", () => now);
  hidden(FixedDate, "parse", RealDate.parse);
  hidden(FixedDate, "UTC", utc);
  define(FixedDate, "name", { value: "Date", configurable: true });
  define(FixedDate, "length", { value: 7, configurable: true });
  hidden(global, "Date", FixedDate);

  // Chance is a function of the seed: sfc32 (Chris Doty-Humphrey's PractRand).
  let a = 0, b = 0, c = 0, d = 1;
  const next = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  const random = () => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
  hidden(Math, "random", random);
  hidden(global, "uuid", () => {
    let s = "";
    for (let i = 0; i < 32; i++) {
      if (i === 8 || i === 12 || i === 16 || i === 20) s += "-";
      let digit = next() >>> 28;
      if (i === 12) digit = 4;
      if (i === 16) digit = (digit & 3) | 8;
      s += "0123456789abcdef"[digit];
    }
    return s;
  });

  const describe = (e) => {
    const field = (read) => {
      try {
        return text(read()).slice(0, 4096);
      } catch {
        return "";
      }
    };
    if (e instanceof ErrorType) {
      return { name: field(() => e.name), message: field(() => e.message), stack: field(() => e.stack) };
    }
    return { name: "", message: "threw " + (typeof e === "symbol" ? "a symbol" : field(() => show(e))), stack: "" };
  };

  let outcome = { pending: true };
  const failed = (e) => { outcome = { error: describe(e) }; };
  const returned = (value) => {
    const type = typeof value;
    if (type === "function" || type === "symbol") {
      outcome = { result: "the function returned a " + type };
      return;
    }
    try {
      const s = stringify(value);
      outcome = { value: s === undefined ? "null" : s };
    } catch (e) {
      const why = describe(e);
      // What toJSON or a getter throws is the function's own; the rest is about
      // the value.
      outcome = { result: why.message, error: why };
    }
  };

  // start runs the function up to its first await; the answer of finish is there
  // once the jobs are done.
  const start = (fn, time, s0, s1, s2, s3, input, steps, settings) => {
    now = time;
    a = s0 | 0; b = s1 | 0; c = s2 | 0; d = s3 | 0;
    for (let i = 0; i < 12; i++) next();
    try {
      apply(then, fn(parse(input), parse(steps), parse(settings)), [returned, failed]);
    } catch (e) {
      failed(e);
    }
  };
  const value = () => outcome.value === undefined ? null : outcome.value;
  const meta = () => {
    const { pending, error, result } = outcome;
    if (!pending && !error && result === undefined && lines.length === 0) return "";
    return stringify({ pending, error, result, log: lines });
  };
  return [start, value, meta];
})()
