// How values are written for people: as vmrep.web.formats writes them on the server. A test compares
// the two.

const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const [MINUTE, HOUR, DAY] = [60, 3_600, 86_400];

// To the nearest number, and from the middle to the even one, as Python rounds.
const rounded = (value, digits) => {
  const scale = 10 ** digits;
  const isInTheMiddle = Number.isInteger(value * 4) && Math.abs(value * 2 * scale) % 2 === 1;
  if (!isInTheMiddle) return value.toFixed(digits);
  const below = Math.floor(value * scale);
  return ((below % 2 === 0 ? below : below + 1) / scale).toFixed(digits);
};

const short = (value) => rounded(value, 1).replace(/\.0$/, "");

/** 1.3 GiB: three digits are enough to compare by eye. */
export const binary = (bytes) => {
  let size = bytes;
  let unit = 0;
  while (Math.abs(size) >= 1023.5 && unit < BINARY.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const isWhole = unit === 0 || Math.abs(size) >= 99.95;
  return `${isWhole ? rounded(size, 0) : short(size)} ${BINARY[unit]}`;
};

export const rate = (bytesPerSecond) => `${binary(bytesPerSecond)}/s`;

/** The two largest units: 45 s, 3 m 20 s, 2 h 5 m, 3 d 4 h. Below ten seconds one decimal. */
export const duration = (seconds) => {
  if (seconds < 9.95) return `${short(Math.max(seconds, 0))} s`;
  const whole = Number(rounded(seconds, 0));
  const units = [
    [DAY, "d", HOUR, "h"],
    [HOUR, "h", MINUTE, "m"],
    [MINUTE, "m", 1, "s"],
  ];
  for (const [size, unit, smallerSize, smallerUnit] of units) {
    if (whole < size) continue;
    const smaller = Math.floor((whole % size) / smallerSize);
    return `${Math.floor(whole / size)} ${unit}${smaller ? ` ${smaller} ${smallerUnit}` : ""}`;
  }
  return `${whole} s`;
};

/** The largest unit only (12 m, 3 h, 2 d): how long ago. */
export const age = (seconds) => {
  for (const [size, unit] of [
    [DAY, "d"],
    [HOUR, "h"],
    [MINUTE, "m"],
  ]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return seconds < 1 ? "now" : `${Math.floor(seconds)} s`;
};
