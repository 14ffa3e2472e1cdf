/** Durable events of a host on its own disk. */
import { serveDurable } from '../events/durable.ts'

// The contender's own folder, which is removed with it.
await serveDurable({ data: 'data' })
