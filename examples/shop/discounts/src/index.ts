/** A third party's plugin: every tenth of a kind is free. */
import type { Discounts, PricedLine } from '../../facts.ts'

export const discount: Discounts['discount'] = (lines: readonly PricedLine[]): number =>
  lines.reduce((cents, { quantity, priceCents }) => cents + Math.floor(quantity / 10) * priceCents, 0)
