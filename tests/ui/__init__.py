"""The screen, by keys: a real manager on a real store, commands and pictures out.

The flows and where they are; each has a test that asserts the stored commands and one that takes pictures:

first start             test_flows_cockpit::test_a_first_start_says_what_to_do_first,
                        test_flows::test_the_first_paint_says_that_the_store_is_being_read
wallet                  test_flows::test_a_wallet_is_created_from_the_keyboard,
                        test_wallet_flows::test_a_new_account_is_shown_once_with_a_qr_code_and_funded,
                        test_wallet_flows::test_what_is_missing_is_approved_one_after_the_other
a check that failed     test_launcher::test_each_check_that_failed_is_acted_on_by_enter,
                        test_launcher::test_soft_checks_need_a_reason_and_it_is_sent,
                        test_launcher::test_a_missing_approval_is_given_from_its_check
launch                  test_launcher::test_from_an_empty_form_to_a_run_by_keys,
                        test_flows::test_real_money_is_started_when_the_run_s_name_is_typed,
                        test_flows::test_from_a_wallet_to_a_run_and_back
filter, sort            test_actions::test_a_list_filtered_and_sorted_keeps_its_selection,
                        test_flows_cockpit::test_a_list_is_filtered_and_sorted_and_says_both
a phone, 40x16          test_layout::test_at_40x16_a_run_is_paused_stopped_and_closed_from_a_wrapped_dialog,
                        test_flows_cockpit::test_on_a_phone_a_run_with_real_money_is_handled_from_a_wrapped_dialog,
                        test_flows_cockpit::test_on_a_phone_nothing_can_be_started_and_no_key_offers_it
several runs            test_flows_cockpit::test_several_runs_are_marked_counted_and_paused,
                        test_actions::test_the_number_of_runs_with_real_money_is_typed
each stop mode          test_flows_cockpit::test_each_stop_mode_says_what_it_leaves_and_is_sent,
                        test_flows::test_stop_asks_for_the_mode_and_shows_what_is_left,
                        test_flows::test_leaving_a_position_unprotected_wants_the_run_s_name
left-over position      test_alarms::test_a_left_over_position_is_closed_from_its_alarm,
                        test_alarms::test_the_row_of_the_alarm_closes_it_too
a run that vanishes     test_actions::test_a_dialog_whose_run_vanishes_closes_with_a_sentence
order in doubt          test_lost_reply::test_an_order_in_doubt_is_pictured_and_so_is_the_truth,
                        test_lost_reply::test_an_order_whose_answer_was_lost_is_unknown_and_then_what_it_is
freeze, read-only       test_actions::test_a_frozen_screen_shows_what_was_and_acts_on_what_is,
                        test_actions::test_a_read_only_screen_changes_nothing,
                        test_flows_cockpit::test_a_frozen_and_a_read_only_screen_say_so
hang-up and return      test_coming_back::test_what_happened_since_a_hang_up_is_said_and_stays_to_be_read,
                        test_terminal::test_a_lost_terminal_leaves_the_engine_running,
                        test_terminal::test_leaving_runs_to_a_background_engine_and_coming_back
broken settings         test_flows_cockpit::test_broken_settings_are_said_and_the_rest_works
every theme             test_flows_cockpit::test_every_theme_is_chosen_by_its_name,
                        test_themes::test_all_that_stands_on_the_screen_can_be_read
every size              test_flows_cockpit::test_every_size_names_money_alarm_run_and_how_to_leave

Beside them (``test_terminal`` is in ``tests/pty``, on a real pseudo-terminal):

two runs compared       test_flows_cockpit::test_two_runs_are_laid_over_each_other_by_a_mark
mouse                   test_layout::test_hints_tabs_and_rows_are_clickable,
                        test_flows_cockpit::test_alarms_heads_and_tabs_are_clicked,
                        test_table::test_a_click_on_a_head_sorts_and_the_next_one_reverses
paste                   test_flows_cockpit::test_a_pasted_text_fires_nothing_and_lands_cleaned_in_a_field,
                        test_terminal::test_each_kind_of_terminal_is_survived
resize                  test_layout::test_a_resize_to_40x10_and_back_loses_nothing_and_fires_nothing,
                        test_flows_cockpit::test_a_resize_to_a_phone_and_back_keeps_marks_filter_sort_tab_and_focus
terminals               test_terminal::test_each_kind_of_terminal_is_survived
"""
