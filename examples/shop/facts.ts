/** What the services of the shop tell one another: the events by subject, and what goes with each. Types only: a service bundles none of it. */

export interface Line {
  readonly sku: string
  readonly quantity: number
}

export interface Order {
  readonly id: string
  readonly customer: string
  readonly lines: readonly Line[]
  readonly totalCents: number
}

export interface Facts {
  /** Of key `customer`: what follows of one customer's orders is handled in their order. */
  readonly 'orders.placed': Order
  readonly 'stock.reserved': Order
  /** `sku`: the first of which there is not enough. Nothing of the order is reserved. */
  readonly 'stock.short': Order & { readonly sku: string }
}

/** What a discount plugin exports, whoever wrote it. */
export interface Discounts {
  /** Cents off the sum of the lines. */
  discount(lines: readonly PricedLine[]): number
}

export interface PricedLine extends Line {
  readonly priceCents: number
}

/** What the program that runs the shop offers to `mail`. */
export interface Postman {
  deliver(to: string, subject: string): void
}
