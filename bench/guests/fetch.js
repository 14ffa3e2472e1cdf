// Fetches `target` `count` times with `lanes` requests in flight, reads each answer whole and says how many were right.
export default {
  async fetch(request) {
    const { searchParams } = new URL(request.url)
    const target = searchParams.get('target')
    const expected = searchParams.get('expected')
    const count = Number(searchParams.get('count'))
    let next = 0
    let right = 0

    const lane = async () => {
      while (next < count) {
        next++
        const response = await fetch(target)
        if (response.status === 200 && (await response.text()) === expected) right++
      }
    }
    await Promise.all(Array.from({ length: Number(searchParams.get('lanes')) }, lane))
    return Response.json({ right })
  },
}
