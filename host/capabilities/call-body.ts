/**
 * The bytes that come with a guest's call, as a whole: for kinds that cannot begin before they have all of them. Threat: a guest that sends
 * without end; what is kept is bounded by whoever reads.
 */
import type { CapabilityCall } from './capability.ts'

/** More than `mostBytes` is refused with `tooLarge`. `hold` hears of each part before it is kept, and may refuse it. */
export async function readWhole(
  body: NonNullable<CapabilityCall['body']>,
  mostBytes: number,
  tooLarge: () => Error,
  hold?: (bytes: number) => void,
): Promise<Buffer> {
  const parts: Buffer[] = []
  let length = 0
  const take = (part: Buffer): void => {
    length += part.length
    if (length > mostBytes) throw tooLarge()
    hold?.(part.length)
    parts.push(part)
  }
  if (Buffer.isBuffer(body)) {
    take(body)
    return body
  }
  for await (const part of body) take(part)
  return Buffer.concat(parts, length)
}
