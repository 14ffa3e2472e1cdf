// A noisy tenant: burns tens of milliseconds of CPU a request, as many `?iterations` as it is told, or never stops with `?endless`.
// It counts instead of reading a clock, since sandboxes freeze theirs while guest code runs.
const ITERATIONS = 6_000_000

export default {
  fetch(request) {
    const { searchParams } = new URL(request.url)
    let sum = 0
    const end = searchParams.has('endless') ? Infinity : Number(searchParams.get('iterations') ?? ITERATIONS)
    for (let i = 0; i < end; i++) sum = (sum * 31 + i) | 0
    return Response.json({ sum })
  },
}
