/** The wall clock that guests are given: whole milliseconds, and it never runs backwards while the host lives. */
export function nowMs(): number {
  return Math.floor(performance.timeOrigin + performance.now())
}
