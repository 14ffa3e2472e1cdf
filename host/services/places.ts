/** Says where in the author's files a start went wrong: what the engines know is a place in the bundle. */
import { createPlaceMapper } from '../bundle/source-map.ts'
import { VelaError } from '../core/errors.ts'
import type { Bundle } from '../registry/types.ts'
import type { ServiceVersion } from './version.ts'

/** Puts the author's file, line and column into the message. */
export function withPlaces(thrown: unknown, version: ServiceVersion, bundle: Bundle): unknown {
  if (!(thrown instanceof VelaError)) return thrown
  const stack = thrown.details['stack']
  const mapped = typeof stack === 'string' ? version.mapStack(stack) : undefined
  const found = /service\.js:(\d+):(\d+)/.exec(typeof stack === 'string' ? stack : thrown.message)
  if (found === null) return thrown
  const place = createPlaceMapper(bundle.sourceMap)(Number(found[1]), Number(found[2])) ?? {
    file: 'service.js',
    line: Number(found[1]),
    column: Number(found[2]),
  }
  const message = thrown.message.replace(/\s*\[service\.js:\d+:\d+\]/, '')
  return new VelaError(thrown.code, `${place.file}:${place.line}:${place.column}: ${message}`, {
    cause: thrown,
    details: { ...place, ...(mapped === undefined ? {} : { stack: mapped }) },
  })
}
