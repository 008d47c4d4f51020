/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names behind \p: Unicode's general categories, which ECMA-262 has long and short
 * and PCRE2 short only, yes-no properties and scripts. Called by schema_ecma.
 * Invariant: PCRE2, which takes any case, underscores or none, and names of its own,
 * only gets to see names as ECMA-262 writes them; of scripts it judges which there are.
 */
#include "common/job/schema_category.h"

#include <string.h>

static bool is_name(const char *p, size_t n, const char *name)
{
    return strlen(name) == n && memcmp(name, p, n) == 0;
}

/* The short name of a category's long or short one; NULL: it is none. */
static const char *short_name(const char *p, size_t n)
{
    static const char *const names[][2] = {
        {"Cased_Letter", "L&"},
        {"Close_Punctuation", "Pe"},
        {"Connector_Punctuation", "Pc"},
        {"Combining_Mark", "M"},
        {"Control", "Cc"},
        {"Currency_Symbol", "Sc"},
        {"Dash_Punctuation", "Pd"},
        {"Decimal_Number", "Nd"},
        {"Enclosing_Mark", "Me"},
        {"Final_Punctuation", "Pf"},
        {"Format", "Cf"},
        {"Initial_Punctuation", "Pi"},
        {"Letter", "L"},
        {"Letter_Number", "Nl"},
        {"Line_Separator", "Zl"},
        {"Lowercase_Letter", "Ll"},
        {"Mark", "M"},
        {"Math_Symbol", "Sm"},
        {"Modifier_Letter", "Lm"},
        {"Modifier_Symbol", "Sk"},
        {"Nonspacing_Mark", "Mn"},
        {"Number", "N"},
        {"Open_Punctuation", "Ps"},
        {"Other", "C"},
        {"Other_Letter", "Lo"},
        {"Other_Number", "No"},
        {"Other_Punctuation", "Po"},
        {"Other_Symbol", "So"},
        {"Paragraph_Separator", "Zp"},
        {"Private_Use", "Co"},
        {"Punctuation", "P"},
        {"Separator", "Z"},
        {"Space_Separator", "Zs"},
        {"Spacing_Mark", "Mc"},
        {"Surrogate", "Cs"},
        {"Symbol", "S"},
        {"Titlecase_Letter", "Lt"},
        {"Unassigned", "Cn"},
        {"Uppercase_Letter", "Lu"},
        {"LC", "L&"},
        {"cntrl", "Cc"},
        {"digit", "Nd"},
        {"punct", "P"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (is_name(p, n, names[i][0]) || is_name(p, n, names[i][1])) {
            return names[i][1];
        }
    }
    return NULL;
}

/* Yes-no properties, a space behind each. */
static const char properties[] =
    "ASCII ASCII_Hex_Digit AHex Alphabetic Alpha Any Bidi_Control Bidi_C "
    "Bidi_Mirrored Bidi_M Case_Ignorable CI Cased Changes_When_Casefolded "
    "CWCF Changes_When_Casemapped CWCM Changes_When_Lowercased CWL "
    "Changes_When_NFKC_Casefolded CWKCF Changes_When_Titlecased CWT "
    "Changes_When_Uppercased CWU Dash Default_Ignorable_Code_Point DI "
    "Deprecated Dep Diacritic Dia Emoji Emoji_Component EComp "
    "Emoji_Modifier EMod Emoji_Modifier_Base EBase Emoji_Presentation "
    "EPres Extended_Pictographic ExtPict Extender Ext Grapheme_Base "
    "Gr_Base Grapheme_Extend Gr_Ext Hex_Digit Hex IDS_Binary_Operator IDSB "
    "IDS_Trinary_Operator IDST ID_Continue IDC ID_Start IDS Ideographic "
    "Ideo Join_Control Join_C Logical_Order_Exception LOE Lowercase Lower "
    "Math Noncharacter_Code_Point NChar Pattern_Syntax Pat_Syn "
    "Pattern_White_Space Pat_WS Quotation_Mark QMark Radical "
    "Regional_Indicator RI Sentence_Terminal STerm Soft_Dotted SD "
    "Terminal_Punctuation Term Unified_Ideograph UIdeo Uppercase Upper "
    "Variation_Selector VS White_Space space XID_Continue XIDC XID_Start "
    "XIDS ";

static bool is_property(const char *p, size_t n)
{
    for (const char *name = properties; *name != '\0'; name = strchr(name, ' ') + 1) {
        if ((size_t)(strchr(name, ' ') - name) == n && memcmp(name, p, n) == 0) {
            return true;
        }
    }
    return false;
}

/* Latin, Old_Italic, Phnx: a capital and small letters in each word. */
static bool looks_like_script(const char *p, size_t n)
{
    bool is_first = true;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '_' && !is_first) {
            is_first = true;
            continue;
        }
        if (is_first ? p[i] < 'A' || p[i] > 'Z' : p[i] < 'a' || p[i] > 'z') {
            return is_name(p, n, "SignWriting");
        }
        is_first = false;
    }
    return !is_first;
}

static const char *behind(const char *p, size_t n, const char *prefix)
{
    size_t len = strlen(prefix);
    return n > len && memcmp(p, prefix, len) == 0 ? p + len : NULL;
}

bool wh_schema_category_put(const char *name, size_t n, bool negated, wh_buf *out)
{
    static const char *const categories[] = {"General_Category=", "gc=", ""};
    static const char *const scripts[] = {
        "Script=", "sc=", "Script_Extensions=", "scx="};
    const char *end = name + n, *category = NULL, *script = NULL;
    if (memchr(name, '&', n) != NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof categories / sizeof categories[0]; i++) {
        const char *value = behind(name, n, categories[i]);
        category = category == NULL && value != NULL
                       ? short_name(value, (size_t)(end - value))
                       : category;
    }
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0] && script == NULL; i++) {
        script = behind(name, n, scripts[i]);
    }
    if (is_name(name, n, "Assigned")) { /* PCRE2 has only the opposite */
        category = "Cn";
        negated = !negated;
    }
    bool is_script =
        script != NULL && looks_like_script(script, (size_t)(end - script));
    if (category == NULL && !is_script && !is_property(name, n)) {
        return false;
    }
    wh_buf_adds(out, negated ? "\\P{" : "\\p{");
    wh_buf_add(out, category != NULL ? category : name,
               category != NULL ? strlen(category) : n);
    wh_buf_adds(out, "}");
    return true;
}
