/** Some systems give the browser a language that it does not understand itself (`en-US@posix`), and uPlot asks for its numbers as it is loaded. */
try {
  new Intl.NumberFormat(navigator.language)
} catch {
  Object.defineProperty(navigator, 'language', { value: 'en' })
}

export {}
