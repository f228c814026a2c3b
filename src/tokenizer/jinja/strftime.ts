// strftime of Python, in English: how templates write today's date.

/** A point in time as the clock on the wall shows it. */
export interface LocalTime {
  readonly year: number;
  /** 1 to 12 */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly millisecond: number;
}

export function localTime(date: Date): LocalTime {
  return {
    year: date.getFullYear(),
    month: date.getMonth() + 1,
    day: date.getDate(),
    hour: date.getHours(),
    minute: date.getMinutes(),
    second: date.getSeconds(),
    millisecond: date.getMilliseconds(),
  };
}

const MONTHS = "January February March April May June July August September October November December".split(" ");
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");
const DAY_MILLISECONDS = 86_400_000;

/** The time in a format of `%` directives; `%-d` and its like leave zeros in front out. Unknown directives stay. */
export function strftime(time: LocalTime, format: string): string {
  return format.replace(/%(-?)([A-Za-z%])/g, (directive, bare: string, letter: string) => {
    const text = directives.get(letter)?.(time);
    if (text === undefined) return directive;
    return bare === "" ? text : text.replace(/^[0 ]+(?=.)/, "");
  });
}

const directives: ReadonlyMap<string, (time: LocalTime) => string> = new Map<string, (time: LocalTime) => string>([
  ["a", (time) => DAYS[dayOfWeek(time)]!.slice(0, 3)],
  ["A", (time) => DAYS[dayOfWeek(time)]!],
  ["b", ({ month }) => MONTHS[month - 1]!.slice(0, 3)],
  ["B", ({ month }) => MONTHS[month - 1]!],
  ["c", (time) => strftime(time, "%a %b %e %H:%M:%S %Y")],
  ["d", ({ day }) => padded(day)],
  ["D", (time) => strftime(time, "%m/%d/%y")],
  ["e", ({ day }) => padded(day, " ")],
  ["f", ({ millisecond }) => `${String(millisecond).padStart(3, "0")}000`],
  ["F", (time) => strftime(time, "%Y-%m-%d")],
  ["h", (time) => strftime(time, "%b")],
  ["H", ({ hour }) => padded(hour)],
  ["I", ({ hour }) => padded(hour % 12 || 12)],
  ["j", (time) => String(dayOfYear(time)).padStart(3, "0")],
  ["m", ({ month }) => padded(month)],
  ["M", ({ minute }) => padded(minute)],
  ["p", ({ hour }) => (hour < 12 ? "AM" : "PM")],
  ["S", ({ second }) => padded(second)],
  ["T", (time) => strftime(time, "%H:%M:%S")],
  ["u", (time) => String(dayOfWeek(time) || 7)],
  ["w", (time) => String(dayOfWeek(time))],
  ["x", (time) => strftime(time, "%m/%d/%y")],
  ["X", (time) => strftime(time, "%H:%M:%S")],
  ["y", ({ year }) => padded(year % 100)],
  ["Y", ({ year }) => String(year)],
  // The reference's time has no zone, so these are empty there.
  ["z", () => ""],
  ["Z", () => ""],
  ["%", () => "%"],
]);

function padded(number: number, fill = "0"): string {
  return String(number).padStart(2, fill);
}

function dayOfWeek({ year, month, day }: LocalTime): number {
  return new Date(Date.UTC(year, month - 1, day)).getUTCDay();
}

function dayOfYear({ year, month, day }: LocalTime): number {
  return (Date.UTC(year, month - 1, day) - Date.UTC(year, 0, 0)) / DAY_MILLISECONDS;
}
