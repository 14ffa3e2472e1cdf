/** How a turn ended. One enum for logs, metrics, retries and responses. */
export type Outcome =
  | 'ok'
  | 'threw'
  | 'bad-response'
  | 'exceeded-cpu'
  | 'exceeded-wall'
  | 'exceeded-memory'
  | 'exceeded-response'
  | 'cell-lost'
  | 'canceled'
  | 'never-settled'
