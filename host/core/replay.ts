export async function replay(_file: string): Promise<unknown> {
  await Promise.reject(new Error('soon'))
}
