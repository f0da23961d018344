/** `npx tsx examples/breaking-news/start.ts` */
import { newsroom } from './news.ts'

for (const prioritize of [false, true]) {
  const sent = await newsroom(300, { prioritize })
  console.log(prioritize ? '\nwith priority 200:' : 'without priorities:')
  for (const [place, { headline, afterMs }] of sent.entries()) {
    if (headline.startsWith('breaking'))
      console.log(`  ${headline} went out as no. ${place + 1}, ${(afterMs / 1_000).toFixed(2)} s after it was known`)
  }
  console.log(`  the last story went out after ${((sent.at(-1)?.afterMs ?? 0) / 1_000).toFixed(2)} s`)
}
