/** A customer's plugin: the shop that embeds Vela asks it for prices (examples/embed). */
interface Line {
  readonly sku: string
  readonly quantity: number
}

const PRICES: Readonly<Record<string, number>> = { tea: 4.5, coffee: 7.25, mug: 12 }

export function quote(lines: readonly Line[]): { total: number; unknown: string[] } {
  const unknown: string[] = []
  let cents = 0
  for (const { sku, quantity } of lines) {
    const price = Object.hasOwn(PRICES, sku) ? PRICES[sku] : undefined
    if (price === undefined) unknown.push(sku)
    else cents += Math.round(price * 100) * quantity
  }
  return { total: cents / 100, unknown }
}
