/** Whether what a guest's code gave must be waited for. */

/** What has a `then` may be anything; reading it may throw, on the guest's bill. A plain Response has none. */
export const isThenable = (value: unknown): boolean =>
  (typeof value === 'object' || typeof value === 'function') && value !== null && 'then' in value
