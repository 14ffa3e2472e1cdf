/** The bundler imports these files as text. */
declare module '*.html' {
  const text: string
  export default text
}
