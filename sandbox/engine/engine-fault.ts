/** What both engines use to end an entry: the fault that carries why, and the clock that decides whether it was too long. */
import type { Fault } from '../protocol/frame.ts'

/** Carries a fault out of places that only an exception leaves, such as the engine's callbacks. */
export class EngineFault extends Error {
  readonly fault: Fault
  constructor(fault: Fault) {
    super(fault.message)
    this.fault = fault
  }
}

/**
 * CPU time of the cell, which is its guest's while one is entered: there is no second thread that works. The `cpuTime` of
 * isolated-vm will not do: its prebuilt addon reads a wall clock, and a busy machine would make loops of honest turns.
 */
export function cpuMicros(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
