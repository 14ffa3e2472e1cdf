/** What the runtime provides under Cloudflare's name, for the compiler. */
declare module 'cloudflare:workers' {
  export { env, WorkerEntrypoint } from '@vela/guest-sdk'
}
