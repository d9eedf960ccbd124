// Numbers for people.

const grouped = new Intl.NumberFormat("en");

/** 1234567 is "1,234,567". */
export function number(value) {
  return grouped.format(value);
}

export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** Bytes as etcd's tools write them: powers of 1024. */
export function bytes(count) {
  if (count < 1024) return plural(count, "byte");
  let value = count;
  let unit = -1;
  do {
    value /= 1024;
    unit += 1;
  } while (value >= 1023.5 && unit < 3);
  return `${short(value)} ${["KiB", "MiB", "GiB", "TiB"][unit]}`;
}

/** Seconds, with two units at most: "1 d 2 h", "250 ms". */
export function duration(seconds) {
  if (seconds < 0.001) return `${short(seconds * 1e6)} µs`;
  if (seconds < 1) return `${short(seconds * 1e3)} ms`;
  if (seconds < 60) return `${short(seconds)} s`;
  const whole = Math.round(seconds);
  const parts = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value);
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(" ");
}

/** Three digits that mean something. */
export function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const digits = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return grouped.format(Number(value.toFixed(digits)));
}

/** An ID as etcdctl writes it: a signed decimal number of 64 bits in hexadecimal digits. */
export function hexId(decimal) {
  return BigInt.asUintN(64, BigInt(decimal)).toString(16).padStart(16, "0");
}

/** The decimal number that hexadecimal digits stand for, as the gateway wants it. */
export function decimalId(hex) {
  return BigInt.asIntN(64, BigInt(`0x${hex}`)).toString();
}
