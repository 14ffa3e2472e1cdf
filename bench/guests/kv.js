// Gets or puts `count` keys with `lanes` calls in flight, and says how many went as they should. A value holds the
// generation it was put with, so that a get can tell the newest from one before.
const KEYS = 512
const FILLING = 'v'.repeat(100)

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url)
    const asked = (name) => Number(searchParams.get(name))
    const store = 'kv' in env ? env.kv : objectStore(env.STORE)
    const count = asked('count')
    const generation = asked('generation')
    let next = 0
    let right = 0

    const lane = async () => {
      while (next < count) {
        const key = `key-${next++ % KEYS}`
        const value = `${key} ${generation} ${FILLING}`
        if (pathname === '/put') {
          await store.put(key, value)
          right++
        } else if ((await store.get(key)) === value) right++
      }
    }
    await Promise.all(Array.from({ length: asked('lanes') }, lane))
    return Response.json({ right })
  },
}

// workerd has a store for a service in a Durable Object, which is reached by RPC.
function objectStore(namespace) {
  const stub = namespace.get(namespace.idFromName('bench'))
  return { get: (key) => stub.getValue(key), put: (key, value) => stub.putValue(key, value) }
}
