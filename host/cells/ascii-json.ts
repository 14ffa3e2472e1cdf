/** JSON for ENTER frames, which hold a byte a character: everything above ASCII is escaped. */
export const asciiJson = (value: unknown): string => escapeJson(JSON.stringify(value))

/** The same of a text that is JSON already: what is not ASCII stands in strings, and can be escaped there. */
export const escapeJson = (json: string): string => json.replaceAll(/[\u0080-\uffff]/g, escapeUnit)

const escapeUnit = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
