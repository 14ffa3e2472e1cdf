/** Does a module that has started have what its manifest and its callers count on? */
import { actorClassesOf } from '../capabilities/actors.ts'
import { eventHandlersOf } from '../capabilities/events.ts'
import type { Description } from '../cells/start-outcome.ts'
import { VelaError } from '../core/errors.ts'
import type { Manifest } from '../registry/types.ts'

/** Throws VELA_DEPLOY_MISSING_EXPORT. */
export function checkExports(description: Description, manifest: Manifest): void {
  const { fetch, methods, scheduled, queue, start, actors } = description
  if (!scheduled && (manifest.schedules ?? []).length > 0) {
    throw missing(
      'The manifest has schedules, but the service has no handler for them; export default { scheduled(controller, env, ctx) { … } }',
    )
  }
  for (const name of actorClassesOf(manifest)) {
    if (actors.includes(name)) continue
    throw missing(
      `The manifest binds the class ${name} under actors, but the service exports no such class; export class ${name} extends Actor { … }`,
    )
  }
  const handlers = eventHandlersOf(manifest)
  if (handlers.queue && !queue) {
    throw missing(
      'The manifest subscribes to events without a handler of their own, but the service has no handler for batches; export default { queue(batch, env, ctx) { … } }',
    )
  }
  for (const name of handlers.functions) {
    if (methods.includes(name)) continue
    throw missing(
      `The manifest hands events to ${name}, but the service exports no such function; export function ${name}(event, env, ctx) { … }`,
    )
  }
  if (fetch || methods.length > 0 || start || scheduled || queue || actors.length > 0) return
  throw missing(
    'The service exports neither a fetch handler nor a function; export default { fetch(request) { … } }',
  )
}

const missing = (message: string): VelaError => new VelaError('VELA_DEPLOY_MISSING_EXPORT', message)
