import { GraphQLError } from 'graphql';
import { builder } from './builder.ts';

builder.scalarType('DateTime', {
  description: 'A moment as RFC 3339 writes it, in UTC: `2026-11-21T09:30:00.000Z`.',
  serialize: (date) => date.toISOString(),
  parseValue(value) {
    const date = typeof value === 'string' ? new Date(value) : null;
    if (date === null || Number.isNaN(date.getTime())) {
      throw new GraphQLError('a DateTime is text such as "2026-11-21T09:30:00Z"');
    }
    return date;
  },
});

builder.scalarType('Base64', {
  description: 'Bytes, as RFC 4648 section 4 writes them.',
  serialize: (bytes) => bytes.toString('base64'),
  parseValue(value) {
    if (typeof value !== 'string') throw new GraphQLError('Base64 is text');
    return Buffer.from(value, 'base64');
  },
});

builder.scalarType('ByteOffset', {
  description: 'A count of bytes: a whole number up to 2^53, which Int could not say.',
  serialize: (count) => count,
  parseValue(value) {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw new GraphQLError('a ByteOffset is a whole number that is not negative');
    }
    return value;
  },
});
