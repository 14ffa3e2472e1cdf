// A function that only computes, and a map of it over workers. piscina runs the same function of this file on its threads.
export function burn(iterations) {
  let sum = 0
  for (let i = 0; i < iterations; i++) sum = (sum * 31 + i) | 0
  return sum
}

export default {
  async fetch(request, env) {
    const { searchParams } = new URL(request.url)
    const asked = (name) => Number(searchParams.get(name))
    const inputs = Array.from({ length: asked('count') }, () => asked('iterations'))
    const results = await env.POOL.map('burn', inputs)
    return Response.json({ right: results.filter((result) => result === asked('expected')).length })
  },
}
