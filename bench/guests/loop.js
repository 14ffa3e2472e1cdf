// A noisy tenant: burns tens of milliseconds of CPU a request, or never stops with `?endless`.
// It counts instead of reading a clock, since sandboxes freeze theirs while guest code runs.
const ITERATIONS = 6_000_000

export default {
  fetch(request) {
    const endless = new URL(request.url).searchParams.has('endless')
    let sum = 0
    const end = endless ? Infinity : ITERATIONS
    for (let i = 0; i < end; i++) sum = (sum * 31 + i) | 0
    return Response.json({ sum })
  },
}
