/* template.h: the names of a template, that is of a file which is included once per precision, each time with another
 * SUFFIX.
 *
 * Where SUFFIX is f32, NAME(stem) is stem_f32. The comment above each definition has both names, so that a search
 * finds it. */
#ifndef MINIDL_TEMPLATE_H
#define MINIDL_TEMPLATE_H

#define PASTE_(stem, suffix) stem##_##suffix
#define PASTE(stem, suffix) PASTE_(stem, suffix)
#define NAME(stem) PASTE(stem, SUFFIX)

/* An entry of a table: the function of the same name. So no two entries can change places. */
#define ENTRY(stem) .stem = NAME(stem)

#endif
