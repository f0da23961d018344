import { expect, it } from 'vitest'
import { newsroom } from '../../examples/breaking-news/news.ts'

const headlines = (sent: readonly { readonly headline: string }[]): string[] => sent.map(({ headline }) => headline)

it('sends breaking news next, in its own order, and the rest in its order', async () => {
  const sent = await newsroom(20, { prioritize: true })
  expect(headlines(sent).slice(4, 8)).toEqual(['story 5', 'breaking 1', 'breaking 2', 'story 6'])
  expect(sent.slice(5, 7).map(({ afterMs }) => afterMs)).toEqual([75, 125])
  expect(headlines(sent).filter((one) => one.startsWith('story'))).toEqual(
    Array.from({ length: 20 }, (_, i) => `story ${i + 1}`),
  )
})

it('sends it last without priorities', async () => {
  const sent = await newsroom(20, { prioritize: false })
  expect(headlines(sent).slice(-3)).toEqual(['story 20', 'breaking 1', 'breaking 2'])
})
