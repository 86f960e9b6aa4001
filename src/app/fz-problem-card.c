/* fz-problem-card.c: see fz-problem-card.h */
#include "src/app/fz-problem-card.h"

struct _FzProblemCard {
  GtkBox parent_instance;

  GtkImage *shape;
  GtkLabel *what;
  GtkLabel *why;
  GtkLabel *advice;
  GtkButton *action;
  GtkButton *copy;
  char *details;
};

G_DEFINE_FINAL_TYPE (FzProblemCard, fz_problem_card, GTK_TYPE_BOX)

static void
on_copy (FzProblemCard *self)
{
  gdk_clipboard_set_text (gtk_widget_get_clipboard (GTK_WIDGET (self)), self->details);
}

static void
finalize (GObject *object)
{
  g_free (FZ_PROBLEM_CARD (object)->details);
  G_OBJECT_CLASS (fz_problem_card_parent_class)->finalize (object);
}

static void
fz_problem_card_class_init (FzProblemCardClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = finalize;
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/dev/firezone/Client/fz-problem-card.ui");
  gtk_widget_class_bind_template_child (widget_class, FzProblemCard, shape);
  gtk_widget_class_bind_template_child (widget_class, FzProblemCard, what);
  gtk_widget_class_bind_template_child (widget_class, FzProblemCard, why);
  gtk_widget_class_bind_template_child (widget_class, FzProblemCard, advice);
  gtk_widget_class_bind_template_child (widget_class, FzProblemCard, action);
  gtk_widget_class_bind_template_child (widget_class, FzProblemCard, copy);
  gtk_widget_class_bind_template_callback (widget_class, on_copy);
}

static void
fz_problem_card_init (FzProblemCard *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
}

/* With large text on a small screen two buttons have room side by side only if their words break.
 */
static void
let_words_break (GtkButton *button)
{
  GtkWidget *label = gtk_button_get_child (button);

  if (!GTK_IS_LABEL (label))
    return;
  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_wrap_mode (GTK_LABEL (label), PANGO_WRAP_WORD_CHAR);
  gtk_label_set_justify (GTK_LABEL (label), GTK_JUSTIFY_CENTER);
}

GtkWidget *
fz_problem_card_new (const FzProblem *problem)
{
  FzProblemCard *self = g_object_new (FZ_TYPE_PROBLEM_CARD, NULL);

  self->details = g_strdup (problem->details);
  gtk_label_set_text (self->what, problem->what);
  gtk_label_set_text (self->why, problem->why);
  gtk_label_set_text (self->advice, problem->advice);
  gtk_image_set_from_icon_name (
      self->shape, problem->is_serious ? "fz-fact-bad-symbolic" : "fz-fact-off-symbolic");
  gtk_widget_add_css_class (GTK_WIDGET (self->shape), problem->is_serious ? "error" : "dim-label");
  gtk_widget_set_visible (GTK_WIDGET (self->action), problem->action != NULL);
  if (problem->action != NULL) {
    gtk_actionable_set_action_name (GTK_ACTIONABLE (self->action), problem->action);
    gtk_button_set_label (self->action, problem->label);
    let_words_break (self->action);
  }
  let_words_break (self->copy);
  return GTK_WIDGET (self);
}
