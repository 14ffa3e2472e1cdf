/**
 * How V8's collector is to treat the host's objects, which live for one request. Under load the host has two states: one in which a young
 * collection takes a millisecond, and one in which it takes 40, four times a second, because nearly everything that
 * was made for requests is found alive and copied. One way into the second is that V8 decides to make such objects in the old
 * generation, where they lie dead and keep alive what they point to; it never takes that back, so it is forbidden here. (Measured: 2 of
 * 16 runs in the slow state with the flag, 5 of 12 without.)
 */
import { setFlagsFromString } from 'node:v8'

/** For the whole process, from now on; before the first request. */
export function setCollectorFlags(): void {
  setFlagsFromString('--no-allocation-site-pretenuring')
}
