/**
 * Metrics whose numbers live with their owners and are read at each scrape. prom-client's own classes look a
 * label set up by hashing on every increment; these hand the registry finished samples instead.
 */
import type { Metric } from 'prom-client'

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface HistogramSample {
  readonly labels: Readonly<Record<string, string>>
  /** Observations per bucket, not cumulative; one more entry than there are upper bounds. */
  readonly buckets: Float64Array
  readonly sum: number
}

export function counter(name: string, help: string, read: () => readonly Sample[]): Metric {
  return createMetric('counter', name, help, () => read().map(({ labels, value }) => ({ labels, value })))
}

export function gauge(name: string, help: string, read: () => readonly Sample[]): Metric {
  return createMetric('gauge', name, help, () => read().map(({ labels, value }) => ({ labels, value })))
}

export function createHistogram(
  name: string,
  help: string,
  upperBounds: readonly number[],
  read: () => readonly HistogramSample[],
): Metric {
  return createMetric('histogram', name, help, () =>
    read().flatMap((sample) => histogramValues(name, upperBounds, sample)),
  )
}

interface Value {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

function histogramValues(name: string, upperBounds: readonly number[], sample: HistogramSample): Value[] {
  const { labels, buckets, sum } = sample
  let count = 0
  const values: Value[] = [...upperBounds, '+Inf'].map((le, index) => {
    count += buckets[index] ?? 0
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count }
  })
  values.push(
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  )
  return values
}

/** What the registry needs of a metric when it prints: a name and `get`. */
function createMetric(
  type: 'counter' | 'gauge' | 'histogram',
  name: string,
  help: string,
  read: () => Value[],
): Metric {
  const get = (): Promise<object> => Promise.resolve({ name, help, type, aggregator: 'sum', values: read() })
  return { name, help, type, get } as unknown as Metric
}
